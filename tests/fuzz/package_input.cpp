// SPDX-License-Identifier: MIT
#include "tests/fuzz/package_input.h"

#include "tests/fuzz/wire_mutator.h"
#include "tests/unit/damage.h"

#include <cstring>
#include <fstream>
#include <unistd.h>

namespace kvasir::test {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

constexpr std::string_view kManifest = R"({"itemInfoEntries": {"A": {"path": "com.apple.CoreML/model.mlmodel"}},
 "rootModelIdentifier": "A"})";
constexpr const char *kManifestPath = "Manifest.json", *kModelPath = "Data/com.apple.CoreML/model.mlmodel",
                     *kWeightsPath = "Data/com.apple.CoreML/weights/weight.bin";

/// Ops, operands and texts that mean something.
constexpr std::string_view kWords[] = {"abs",
                                       "add",
                                       "alpha",
                                       "attn_mask",
                                       "axes",
                                       "axis",
                                       "batch_dims",
                                       "begin",
                                       "begin_mask",
                                       "beta",
                                       "bias",
                                       "bool",
                                       "cast",
                                       "ceil",
                                       "clip",
                                       "concat",
                                       "cond",
                                       "const",
                                       "constant",
                                       "constexpr_blockwise_shift_scale",
                                       "constexpr_lut_to_dense",
                                       "constexpr_sparse_to_dense",
                                       "conv",
                                       "cos",
                                       "cumsum",
                                       "custom",
                                       "data",
                                       "dequantize",
                                       "dilations",
                                       "dtype",
                                       "edge",
                                       "elu",
                                       "end",
                                       "end_mask",
                                       "epsilon",
                                       "equal",
                                       "erf",
                                       "exclusive",
                                       "exp",
                                       "expand_dims",
                                       "fill",
                                       "floor",
                                       "floor_div",
                                       "fp16",
                                       "fp32",
                                       "gamma",
                                       "gather",
                                       "gather_along_axis",
                                       "gelu",
                                       "greater",
                                       "groups",
                                       "identity",
                                       "indices",
                                       "input",
                                       "int16",
                                       "int32",
                                       "int8",
                                       "interleave",
                                       "inverse",
                                       "keep_dims",
                                       "key",
                                       "layer_norm",
                                       "leaky_relu",
                                       "less",
                                       "linear",
                                       "log",
                                       "logical_not",
                                       "lut",
                                       "mask",
                                       "matmul",
                                       "maximum",
                                       "minimum",
                                       "mod",
                                       "mode",
                                       "mul",
                                       "nonzero_data",
                                       "not_equal",
                                       "num_splits",
                                       "offset",
                                       "output_dtype",
                                       "pad",
                                       "pad_type",
                                       "perm",
                                       "pow",
                                       "query",
                                       "quantize",
                                       "range_1d",
                                       "read_state",
                                       "real_div",
                                       "reduce_argmax",
                                       "reduce_max",
                                       "reduce_mean",
                                       "reduce_prod",
                                       "reduce_sum",
                                       "reflect",
                                       "relu",
                                       "reps",
                                       "reshape",
                                       "reverse",
                                       "round",
                                       "rsqrt",
                                       "same",
                                       "scale",
                                       "scaled_dot_product_attention",
                                       "select",
                                       "shape",
                                       "sigmoid",
                                       "sign",
                                       "silu",
                                       "sin",
                                       "size",
                                       "slice_by_index",
                                       "slice_by_size",
                                       "slice_update",
                                       "softmax",
                                       "split",
                                       "split_sizes",
                                       "sqrt",
                                       "squeeze",
                                       "squeeze_mask",
                                       "stack",
                                       "start",
                                       "step",
                                       "stride",
                                       "strides",
                                       "string",
                                       "sub",
                                       "tanh",
                                       "tile",
                                       "transpose",
                                       "transpose_x",
                                       "transpose_y",
                                       "uint16",
                                       "uint8",
                                       "update",
                                       "valid",
                                       "validate_indices",
                                       "value",
                                       "values",
                                       "vector_axis",
                                       "weight",
                                       "write_state",
                                       "x",
                                       "y",
                                       "zero_point"};

void writeFile(const fs::path &path, std::span<const uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
}

} // namespace

PackageInput PackageInput::parse(std::span<const uint8_t> bytes) {
  const auto take = [&](size_t count) {
    count = std::min(count, bytes.size());
    const Bytes taken(bytes.begin(), bytes.begin() + std::ptrdiff_t(count));
    bytes = bytes.subspan(count);
    return taken;
  };
  uint32_t sizes[2] = {};
  const Bytes head = take(sizeof sizes);
  std::copy(head.begin(), head.end(), reinterpret_cast<uint8_t *>(sizes));
  PackageInput package{take(sizes[0]), take(sizes[1]), {bytes.begin(), bytes.end()}};
  if (package.manifest.empty())
    package.manifest.assign(kManifest.begin(), kManifest.end());
  return package;
}

Bytes PackageInput::serialise() const {
  const uint32_t sizes[2] = {uint32_t(model.size()), uint32_t(weights.size())};
  const auto *head = reinterpret_cast<const uint8_t *>(sizes);
  Bytes bytes(head, head + sizeof sizes);
  for (const Bytes *part : {&model, &weights})
    bytes.insert(bytes.end(), part->begin(), part->end());
  if (!std::equal(manifest.begin(), manifest.end(), kManifest.begin(), kManifest.end()))
    bytes.insert(bytes.end(), manifest.begin(), manifest.end());
  return bytes;
}

void mutate(PackageInput &package, std::mt19937 &random) {
  const uint32_t choice = random() % 32;
  Bytes *const raw = choice == 0 ? &package.manifest : choice < 3 ? &package.weights : &package.model;
  std::optional<WireMessage> model = parseWire(package.model);
  if (raw == &package.model && model) {
    mutate(*model, kWords, random);
    package.model = serialise(*model);
  } else if (!raw->empty()) {
    damageOnce(*raw, random);
  }
}

PackageFolder::PackageFolder() {
  std::string pattern = (fs::temp_directory_path() / "kvasir-fuzz-XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    std::abort();
  folder = pattern;
  fs::create_directories((folder / kWeightsPath).parent_path());
}

PackageFolder::~PackageFolder() { fs::remove_all(folder); }

void PackageFolder::write(const PackageInput &package) const {
  writeFile(folder / kManifestPath, package.manifest);
  writeFile(folder / kModelPath, package.model);
  writeFile(folder / kWeightsPath, package.weights);
}

SeparateConstants::SeparateConstants(const coreml::Program &program) : copy(program) {
  for (coreml::Function &function : copy.functions) {
    for (coreml::Value &value : function.values)
      if (value.constant)
        separate(*value.constant);
    separate(function.body);
  }
}

void SeparateConstants::separate(coreml::Constant &constant) {
  constant.bytes = pieces.emplace_back(constant.bytes.begin(), constant.bytes.end());
}

void SeparateConstants::separate(coreml::Block &block) {
  for (coreml::Operation &operation : block.operations) {
    for (auto &[name, operands] : operation.inputs)
      for (coreml::Operand &operand : operands)
        if (operand.literal)
          separate(*operand.literal);
    for (auto &[name, constant] : operation.attributes)
      separate(constant);
    for (coreml::Block &inner : operation.blocks)
      separate(inner);
  }
}

} // namespace kvasir::test
