// SPDX-License-Identifier: MIT
#include "runtime/tools/inspect_text.h"

#include "plugins/cpu_features.h"
#include "plugins/services.h"
#include "runtime/tools/output.h"

#include <algorithm>

namespace kvasir::tools {
namespace {

std::string tensorList(const std::vector<TensorDescription> &tensors) {
  std::string text;
  for (const TensorDescription &tensor : tensors)
    text += (text.empty() ? "" : ", ") + tensor.name + ": " + shapeText(tensor);
  return "(" + text + ")";
}

/// "bf16", or "i8 + f16 scale".
std::string storageText(const Layout &layout) {
  static constexpr const char *kRoles[] = {"", "", " scale", " min"};
  std::string text;
  for (const Plane &plane : layout.planes)
    text +=
        (text.empty() ? "" : " + ") + std::string(elementName(plane.element)) + kRoles[static_cast<size_t>(plane.role)];
  return text;
}

std::string cacheText(const SlotDescription &slot) {
  std::string text = std::to_string(slot.layers) + " layers x " + std::to_string(slot.heads) + " heads x " +
                     std::to_string(slot.width) + ", " + storageText(slot.layout);
  if (slot.rotated != RowRotation::none)
    text += ", rotated by position";
  if (!slot.values.empty())
    text += ", values of " + slot.values;
  if (slot.windowTokens)
    text += ", window of " + std::to_string(slot.windowTokens) + " tokens";
  if (slot.from)
    text += ", the first rows of " + slot.from->state;
  return text + "; " + std::to_string(slot.layout.sizeBytes / KV_BLOCK_TOKENS) + " bytes a token, a block of " +
         std::to_string(KV_BLOCK_TOKENS) + " tokens " + bytesText(static_cast<double>(slot.layout.sizeBytes));
}

std::string registerText(const SlotDescription &slot) {
  std::string shape;
  for (const uint64_t extent : slot.shape)
    shape += std::to_string(extent) + "x";
  return "register, " + std::to_string(slot.layers) + " layers of " + shape + storageText(slot.layout) + ", " +
         bytesText(static_cast<double>(slot.layout.sizeBytes)) + " a sequence";
}

std::string stateText(const Description &description) {
  if (!description.verified)
    return "NOT proved by verify-state";
  const bool isOpaque = !description.functions.empty() && description.functions.front().maxTokens == 0;
  const bool hasForms = std::ranges::any_of(description.functions,
                                            [](const FunctionDescription &each) { return each.raised.has_value(); });
  if (hasForms)
    return "whole registers, or rows: in raised forms it is proved that every token's rows reach every layer";
  return isOpaque ? "whole registers, which each function sets once; no token has rows of its own"
                  : "proved: every token's rows reach every layer, in every function";
}

std::string headText(const PluginFile &file) {
  const kv_manifest &manifest = file.manifest();
  const Description &description = file.description();
  std::string text = (description.model.name.empty() ? std::string(manifest.name) : description.model.name) + "\n";
  text += textRow("architecture", description.model.architecture);
  if (description.model.contextTokens || description.model.vocabularySize)
    text += textRow("context", std::to_string(description.model.contextTokens) + " tokens, vocabulary of " +
                                   std::to_string(description.model.vocabularySize));
  for (const auto &[letter, extent] : description.model.extents)
    text += textRow(letter, std::to_string(extent));
  if (file.isSealed())
    text +=
        textRow("file", bytesText(static_cast<double>(manifest.file_size)) + ": code " +
                            bytesText(static_cast<double>(manifest.image_size)) + ", weights " +
                            bytesText(static_cast<double>(manifest.weights_size)) + "; made by " + manifest.producer);
  else
    text += textRow("file", "not sealed: written by hand, without sections or weights");
  text += textRow("backend", description.backend);
  text += textRow("state", stateText(description));
  text += textRow("numerics",
                  description.numerics.id + ", activations " + activationsName(description.numerics.activations) +
                      (description.numerics.invariant ? "; results do not depend on chunking, batch or threads"
                                                      : "; results may depend on chunking, batch or threads"));
  text += textRow("fingerprint", toHex(manifest.fingerprint));
  return text + textRow("schema", toHex(file.schema()));
}

std::string variantsText(const Description &description) {
  std::string text;
  for (const VariantDescription &variant : description.variants) {
    std::string missing;
    for (const std::string &name : variant.features)
      if (const auto feature = cpuFeatureFromName(name);
          !feature || missingCpuFeatures(*feature, hostCpuFeatures()) != CpuFeatures{})
        missing += (missing.empty() ? "" : ", ") + name;
    text += textRow(variant.name, missing.empty() ? "runs on this machine" : "this machine lacks " + missing);
  }
  return text.empty() ? "" : "variants\n" + text;
}

/// ", raised form: prefill.raised"
std::string raisedText(const FunctionDescription &function) {
  return function.raised ? ", raised form: " + function.raised->function : "";
}

/// What the plugin can use, and whether this host has it: no code of the plugin says so, but the service's own does.
std::string servicesText(const Description &description) {
  std::string text;
  for (const ServiceDescription &wanted : description.services) {
    const Result<const kv_service *> service = offerService(wanted);
    text += textRow(wanted.name, service ? std::string("offered here: ") + (*service)->about
                                         : "not offered here: " + service.message() +
                                               "; generated code computes instead, with numerics " + wanted.fallback);
  }
  return text.empty() ? "" : "services\n" + text;
}

/// "a 1 to 64, b 8 or 16, c = a + 8, "
std::string extentsText(const FunctionDescription &function) {
  std::string text;
  for (const ExtentDescription &extent : function.extents) {
    text += extent.symbol;
    for (size_t i = 0; i < extent.values.size(); ++i)
      text += (i ? " or " : " ") + std::to_string(extent.values[i]);
    if (extent.isFree() && extent.values.empty())
      text += " " + std::to_string(extent.from) + " to " + std::to_string(extent.to);
    const char *sign = " = ";
    for (const auto &[symbol, factor] : extent.terms) {
      text += sign + (factor == 1 ? "" : std::to_string(factor) + " ") + symbol;
      sign = " + ";
    }
    if (!extent.isFree() && extent.constant)
      text += sign + std::to_string(extent.constant);
    text += ", ";
  }
  return text;
}

std::string functionsText(const Description &description) {
  std::string text;
  for (const FunctionDescription &function : description.functions)
    text += textRow(function.name,
                    tensorList(function.inputs) + " -> " + tensorList(function.outputs) + ", " +
                        (function.maxTokens ? "at most " + std::to_string(function.maxTokens) + " tokens at once"
                                            : extentsText(function) + "takes no tokens" + raisedText(function)));
  for (const WaiverDescription &waiver : description.waivers)
    text += textRow(waiver.function, "WAIVED write of slot " + waiver.slot + ": " + waiver.reason);
  return "functions\n" + (text.empty() ? "  none: a vocabulary only\n" : text);
}

std::string slotsText(const Description &description) {
  std::string text;
  for (const SlotDescription &slot : description.slots)
    text += textRow(slot.name, slotText(slot));
  return text.empty() ? "" : "slots\n" + text;
}

std::string weightsText(const std::vector<WeightTensor> &tensors) {
  std::string text;
  size_t width = 0;
  for (const WeightTensor &tensor : tensors)
    width = std::max(width, tensor.name.size() + 2);
  for (const WeightTensor &tensor : tensors)
    text += textRow(tensor.name,
                    (tensor.layers > 1 ? std::to_string(tensor.layers) + " x " : "") + tensor.type + ", " +
                        bytesText(static_cast<double>(tensor.layers * tensor.sizeBytes)),
                    width);
  return text.empty() ? "" : "weights\n" + text;
}

} // namespace

std::string shapeText(const TensorDescription &tensor) {
  std::string text;
  for (const Dimension &dim : tensor.shape)
    text += (text.empty() ? "" : ", ") + (dim.symbol ? std::string(1, dim.symbol) : std::to_string(dim.number));
  return std::string(elementName(tensor.element)) + "[" + text + "]";
}

std::string textRow(std::string name, const std::string &rest, size_t width) {
  name.resize(std::max(width, name.size() + 1), ' ');
  return "  " + name + rest + "\n";
}

std::string slotText(const SlotDescription &slot) {
  return slot.kind == SlotKind::cache ? cacheText(slot) : registerText(slot);
}

std::string describe(const PluginFile &file, const std::vector<WeightTensor> &tensors) {
  const Description &description = file.description();
  std::string text = headText(file) + variantsText(description) + servicesText(description) +
                     functionsText(description) + slotsText(description);
  std::string sections;
  for (const kv_section &section : file.sections())
    sections += textRow(section.name, bytesText(static_cast<double>(section.size)));
  return text + weightsText(tensors) + (sections.empty() ? "" : "sections\n" + sections);
}

} // namespace kvasir::tools
