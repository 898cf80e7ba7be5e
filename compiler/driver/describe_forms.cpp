// SPDX-License-Identifier: MIT
#include "compiler/driver/describe_forms.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Reads the axes of one cache's `from`, from the last to the first.
class OriginReader {
public:
  OriginReader(kv::CacheOp cache, RankedTensorType content) : cache(cache), content(content) {
    parts = {{"layer", cache.getLayers(), &from.layer},
             {"head", cache.getHeads(), &from.head},
             {"row", uint64_t(*cache.getOriginRows()), &from.row},
             {"element", cache.getWidth(), &from.lane}};
    from.state = cache.getOrigin()->str();
    from.rows = *cache.getOriginRows();
  }

  llvm::Expected<std::optional<RowsOrigin>> read() {
    ArrayAttr axes = *cache.getOriginAxes();
    if (int64_t(axes.size()) != content.getRank())
      return fail("has " + std::to_string(axes.size()) + " axes, the register has " +
                  std::to_string(content.getRank()));
    for (int64_t axis = content.getRank() - 1; axis >= 0; --axis)
      if (llvm::Error error = readAxis(cast<StringAttr>(axes[axis]).getValue(), content.getDimSize(axis)))
        return error;
    for (const Part &part : parts)
      if (!part.isRead && part.extent != 1)
        return fail("has no axis '" + part.name.str() + "'");
    return std::optional(from);
  }

private:
  struct Part {
    StringRef name;
    uint64_t extent;
    uint64_t *stride;
    bool isRead = false;
  };

  llvm::Error fail(const std::string &what) {
    return llvm::createStringError("the 'from' of slot '%s' %s", cache.getSymName().str().c_str(), what.c_str());
  }

  llvm::Error readAxis(StringRef axis, uint64_t extent) {
    SmallVector<StringRef> digits;
    axis.split(digits, ' ', -1, /*KeepEmpty=*/false);
    uint64_t product = 1, index = 0;
    if (digits.size() == 1 && !digits[0].getAsInteger(10, index)) {
      from.first += index * stride;
      product = extent;
    } else {
      for (StringRef digit : llvm::reverse(digits)) {
        uint64_t digitExtent = readDigit(digit, stride * product);
        if (!digitExtent)
          return fail("has '" + digit.str() +
                      "', which is none of layer, head, row, element, 0, 0/2, or is there twice");
        product *= digitExtent;
      }
    }
    if (product != extent || index >= extent)
      return fail("has '" + axis.str() + "' where the register has an extent of " + std::to_string(extent));
    stride *= extent;
    return llvm::Error::success();
  }

  /// The digit's extent; 0 if it is none.
  uint64_t readDigit(StringRef digit, uint64_t digitStride) {
    auto [number, extent] = digit.split('/');
    uint64_t index = 0, count = 0;
    if (!number.getAsInteger(10, index) && !extent.getAsInteger(10, count) && index < count) {
      from.first += index * digitStride;
      return count;
    }
    auto part = llvm::find_if(parts, [&](const Part &each) { return each.name == digit && !each.isRead; });
    if (part == parts.end())
      return 0;
    part->isRead = true;
    *part->stride = digitStride;
    return part->extent;
  }

  kv::CacheOp cache;
  RankedTensorType content;
  RowsOrigin from;
  SmallVector<Part> parts;
  uint64_t stride = 1; ///< elements from one index of the next axis to the next
};

std::optional<BindField> fieldOf(StringRef name) {
  return llvm::StringSwitch<std::optional<BindField>>(name)
      .Case("start", BindField::start)
      .Case("positions", BindField::positions)
      .Case("count", BindField::count)
      .Case("length", BindField::length)
      .Case("causal", BindField::causal)
      .Default(std::nullopt);
}

std::optional<BindDescription> bindOf(Attribute attribute) {
  auto facts = dyn_cast<DictionaryAttr>(attribute);
  auto input = facts ? facts.getAs<StringAttr>("input") : StringAttr();
  auto is = facts ? facts.getAs<StringAttr>("is") : StringAttr();
  std::optional<BindField> field = is ? fieldOf(is.getValue()) : std::nullopt;
  if (!input || !field)
    return std::nullopt;
  BindDescription bind{input.str(), *field, std::nullopt, std::nullopt};
  if (auto dim = facts.getAs<IntegerAttr>("dim"))
    bind.dim = dim.getInt();
  if (auto hidden = facts.getAs<IntegerAttr>("hidden"))
    bind.hidden = hidden.getInt();
  return bind;
}
} // namespace

llvm::Expected<std::optional<RowsOrigin>> kvasir::describeOrigin(kv::CacheOp cache) {
  kv::RegisterOp reg = kv::originOf(cache);
  if (!reg)
    return std::optional<RowsOrigin>();
  return OriginReader(cache, cast<RankedTensorType>(reg.getContent())).read();
}

llvm::Expected<std::optional<RaisedForm>> kvasir::describeRaised(func::FuncOp function) {
  auto raised = function->getAttrOfType<FlatSymbolRefAttr>(kv::kRaisedAttr);
  auto binds = function->getAttrOfType<ArrayAttr>(kv::kBindsAttr);
  if (!raised)
    return std::optional<RaisedForm>();
  RaisedForm form{raised.getValue().str(), {}};
  for (Attribute each : binds ? binds.getValue() : ArrayRef<Attribute>()) {
    std::optional<BindDescription> bind = bindOf(each);
    if (!bind)
      return llvm::createStringError("a bind of function '%s' is no {input = …, is = …}",
                                     function.getSymName().str().c_str());
    form.binds.push_back(std::move(*bind));
  }
  return std::optional(std::move(form));
}

uint64_t kvasir::maxTokensOfRaised(func::FuncOp raised) {
  uint64_t most = ~uint64_t(0);
  for (auto schema : raised->getParentOfType<ModuleOp>().getOps<kv::SchemaOp>())
    for (auto cache : schema.getBody().getOps<kv::CacheOp>())
      if (kv::originOf(cache))
        most = std::min<uint64_t>(most, *cache.getOriginRows());
  return most;
}
