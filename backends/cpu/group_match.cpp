// SPDX-License-Identifier: MIT
#include "backends/cpu/group_match.h"

#include "backends/cpu/routing.h"
#include "compiler/packing/weight_type.h"
#include "compiler/passes/group_ops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

bool isPlainVector(Value weight) {
  auto type = cast<lm::WeightType>(weight.getType());
  return type.isVector() && type.getCodes().isF32() && weight.getDefiningOp<lm::SelectOp>();
}

/// The norm that feeds exactly these linears: a copy, where other linears take it, too, and will norm for themselves.
lm::RmsNormOp normOf(ArrayRef<Operation *> linears) {
  auto norm = linears.front()->getOperand(0).getDefiningOp<lm::RmsNormOp>();
  if (!norm || isGrouped(norm) || !isPlainVector(norm.getWeight()))
    return {};
  bool isShared = false;
  for (Operation *user : norm->getUsers()) {
    if (!isa<lm::ExpertLinearOp, lm::LinearOp>(user))
      return {};
    isShared |= !llvm::is_contained(linears, user);
  }
  if (!isShared)
    return norm;
  auto copy = cast<lm::RmsNormOp>(OpBuilder(norm).clone(*norm));
  for (Operation *linear : linears)
    linear->setOperand(0, copy);
  return copy;
}

/// Whether the op gates one linear by another.
bool isGate(Operation *op) { return isa<lm::ClampedSwigluOp, lm::GegluOp, lm::SwigluOp>(op); }

/// Whether the op makes each element of its result of one of its operand.
bool isUnary(Operation *op) { return isa<lm::ScaleOp, lm::SoftcapOp>(op); }

/// The unary ops that follow one another on `op`, each all that becomes of what is before it.
SmallVector<Operation *> unariesOf(Operation *op) {
  SmallVector<Operation *> unaries;
  while (op->hasOneUse() && isUnary(*op->user_begin()) && (*op->user_begin())->getBlock() == op->getBlock())
    unaries.push_back(op = *op->user_begin());
  return unaries;
}

/// The sum that is all that becomes of the op's result.
arith::AddFOp sumOf(Operation *op) {
  auto sum = op->hasOneUse() ? dyn_cast<arith::AddFOp>(*op->user_begin()) : nullptr;
  return sum && !isGrouped(sum) ? sum : nullptr;
}

/// A group of the members and the sum that is all that becomes of the last one; if that can't be, of these alone.
void groupWithSum(StringRef withSum, StringRef without, SmallVector<Operation *> members) {
  members.push_back(sumOf(members.back()));
  if (members.back() && tryGroup(withSum, members))
    return;
  members.pop_back();
  tryGroup(without, members);
}

/// Reads the chain that ends in `rows` back to its linear.
std::optional<HeadRows> headRows(Value rows) {
  HeadRows heads;
  heads.rope = rows.getDefiningOp<lm::RopeOp>();
  if (heads.rope)
    rows = heads.rope.getInput();
  heads.norm = rows.getDefiningOp<lm::RmsNormOp>();
  if (heads.norm)
    rows = heads.norm.getInput();
  auto expand = rows.getDefiningOp<tensor::ExpandShapeOp>();
  heads.linear = expand ? expand.getSrc().getDefiningOp<lm::LinearOp>() : lm::LinearOp();
  heads.expand = expand;
  if (!heads.linear || !heads.linear->hasOneUse() || (heads.rope && !heads.heads().hasOneUse()) ||
      (heads.norm && (!expand->hasOneUse() || !isPlainVector(heads.norm.getWeight()))))
    return std::nullopt;
  int64_t width = cast<RankedTensorType>(expand.getType()).getShape().back();
  bool isWhole = width % 16 == 0 && cast<RankedTensorType>(heads.linear.getType()).getDimSize(1) % kPanelRows == 0;
  if (heads.rope) {
    int64_t lanes = 2 * cast<RankedTensorType>(heads.rope.getAngles().getType()).getDimSize(1);
    isWhole &= lanes % 16 == 0;
  }
  return isWhole ? std::optional(heads) : std::nullopt;
}

void matchQkv(kv::AttendOp attend, Activations wanted) {
  auto keys = attend.getKeys().getDefiningOp<kv::AppendOp>(), values = attend.getValues().getDefiningOp<kv::AppendOp>();
  if (!keys || !values || keys == values)
    return;
  std::optional<HeadRows> q = headRows(attend.getQuery()), k = headRows(keys.getRows()), v = headRows(values.getRows());
  if (!q || !k || !v || !q->rows().hasOneUse() || !k->rows().hasOneUse() || !v->rows().hasOneUse())
    return;
  k->append = keys;
  v->append = values;
  Operation *linears[] = {q->linear, k->linear, v->linear};
  if (k->linear.getInput() != q->linear.getInput() || v->linear.getInput() != q->linear.getInput() ||
      !commonActivations(linears, wanted))
    return;
  lm::RmsNormOp norm = normOf(linears);
  SmallVector<Operation *> members{norm};
  for (const HeadRows &heads : {*q, *k, *v})
    members.append({heads.linear, heads.expand, heads.norm, heads.rope, heads.append});
  tryGroup(kQkv, members);
}

/// The take of the wanted rows of what is attended, where nothing else is made of it and the state is the same there.
lm::TakeOp wantedRowsOf(kv::AttendOp attend) {
  auto joined = attend->hasOneUse() ? dyn_cast<tensor::CollapseShapeOp>(*attend->user_begin()) : nullptr;
  auto take = joined && joined->hasOneUse() ? dyn_cast<lm::TakeOp>(*joined->user_begin()) : nullptr;
  if (!take || !take.getRows().getDefiningOp<kv::WantedOp>() || take->getBlock() != attend->getBlock())
    return {};
  for (Operation *op = attend->getNextNode(); op != take; op = op->getNextNode())
    if (!isMemoryEffectFree(op))
      return {};
  ArrayRef<int64_t> heads = cast<RankedTensorType>(attend.getType()).getShape();
  return joined.getType().getDimSize(1) == heads[1] * heads[2] ? take : lm::TakeOp();
}

void matchAttend(kv::AttendOp attend) {
  lm::TakeOp take = wantedRowsOf(attend);
  if (!take || !tryGroup(kAttend, {attend, *attend->user_begin(), take}))
    tryGroup(kAttend, {attend});
}

void matchGateUp(Operation *op, Activations wanted) {
  auto gate = op->getOperand(0).getDefiningOp<lm::LinearOp>(), up = op->getOperand(1).getDefiningOp<lm::LinearOp>();
  if (!gate || !up || gate == up || !gate->hasOneUse() || !up->hasOneUse() || gate.getInput() != up.getInput() ||
      gate.getBias() || up.getBias() || cast<RankedTensorType>(gate.getType()).getDimSize(1) % kPanelRows != 0)
    return;
  Operation *linears[] = {gate, up};
  if (commonActivations(linears, wanted))
    tryGroup(kGateUp, {normOf(linears), gate, up, op});
}

void matchExpertGate(Operation *op, Activations wanted) {
  auto gate = op->getOperand(0).getDefiningOp<lm::ExpertLinearOp>(),
       up = op->getOperand(1).getDefiningOp<lm::ExpertLinearOp>();
  if (!gate || !up || gate == up || !gate->hasOneUse() || !up->hasOneUse() || gate.getInput() != up.getInput() ||
      gate.getExperts() != up.getExperts() || gate.getNumExperts() != up.getNumExperts() || gate.hasParts() ||
      whyNot(gate) || whyNot(up))
    return;
  Operation *linears[] = {gate, up};
  if (commonActivations(linears, wanted))
    tryGroup(kExpertGate, {normOf(linears), gate, up, op});
}

void matchExpertMix(lm::MixOp mix, Activations wanted) {
  auto down = mix.getParts().getDefiningOp<lm::ExpertLinearOp>();
  if (!down || !down->hasOneUse() || whyNot(down) || !(down.hasParts() || down.getNumChosen() == 1) ||
      down.getNumChosen() != cast<RankedTensorType>(mix.getShares().getType()).getDimSize(1) ||
      !commonActivations(down.getOperation(), wanted))
    return;
  SmallVector<Operation *> members{down, mix};
  for (Operation *unary : unariesOf(mix)) {
    if (!isa<lm::ScaleOp>(unary))
      break;
    members.push_back(unary);
  }
  groupWithSum(kExpertMix, kExpertMix, members);
}

void matchLinear(lm::LinearOp linear, Activations wanted) {
  if (isGrouped(linear) || !commonActivations(linear.getOperation(), wanted))
    return;
  SmallVector<Operation *> members{normOf(linear.getOperation()), linear};
  members.append(unariesOf(linear));
  groupWithSum(kLinearAdd, kLinear, members);
}

/// Of a norm that no linear has taken, as they stand behind a linear.
void matchNormAdd(lm::RmsNormOp norm) {
  auto type = cast<RankedTensorType>(norm.getType());
  if (isGrouped(norm) || type.getRank() != 2 || type.getDimSize(1) % kBlockColumns != 0 ||
      !isPlainVector(norm.getWeight()))
    return;
  if (arith::AddFOp sum = sumOf(norm))
    tryGroup(kNormAdd, {norm, sum});
}

} // namespace

/// Codes of up to four bits are packed where their zero leaves them narrow. Those of five and six bits are where their
/// zero, or a min, can make up for the half of their range that dots take from them, and the sums of 16 columns (of
/// five bits, 32) are narrow. Else they take a byte.
static ElementType packedCodes(const WeightFormat &format) {
  bool isCentred = format.zero == format.centre() ? format.isNarrow() : format.min.has_value();
  bool isSummed = elementBits(format.codes) < 6 || format.group == 16;
  return format.isPacked() && !(isCentred && isSummed) ? ElementType::u8 : format.codes;
}

static WeightFormat formatOf(lm::WeightType type) {
  const WeightForm form = formOf(type);
  WeightFormat format;
  format.codes = form.codes;
  if (!type.isGrouped())
    return format;
  format.group = form.group;
  format.zero = form.zero;
  format.scale = form.scale;
  format.min = form.min;
  format.codes = packedCodes(format);
  if (!form.values)
    return format;
  format.codes = ElementType::u4;
  format.zero = -form.values->front();
  for (auto [entry, value] : llvm::zip_equal(format.table.emplace(), *form.values))
    entry = uint8_t(value + format.zero);
  return format;
}

std::optional<WeightFormat> weightFormat(lm::WeightType type, Activations wanted) {
  WeightFormat format = formatOf(type);
  if (wanted != Activations::exact && format.scale == ElementType::f32)
    format.scale = ElementType::f16;
  if (wanted != Activations::exact && format.min == ElementType::f32)
    format.min = ElementType::f16;
  bool isReadable = !type.isVector() && type.getNumColumns() % kBlockColumns == 0 &&
                    (!format.isGrouped() || format.group == 16 || format.group == 32);
  return isReadable ? std::optional(format) : std::nullopt;
}

Layout weightLayout(lm::WeightType type, Activations wanted) {
  std::optional<WeightFormat> readable = weightFormat(type, wanted);
  return readable ? readable->layout(type.getNumRows(), type.getNumColumns())
                  : rowMajorLayout(formatOf(type), type.getNumRows(), type.getNumColumns());
}

Activations roundingFor(const WeightFormat &weight, Activations wanted) {
  if (wanted == Activations::exact || weight.isGrouped())
    return wanted;
  return weight.codes == ElementType::bf16 ? Activations::bf16 : Activations::exact;
}

Value weightOf(Operation *linear) {
  if (auto ofExperts = dyn_cast<lm::ExpertLinearOp>(linear))
    return ofExperts.getWeight();
  return cast<lm::LinearOp>(linear).getWeight();
}

/// Why no kernel reads the weight.
static std::optional<std::string> whyNot(Value weight) {
  if (!weightFormat(cast<lm::WeightType>(weight.getType()), Activations::exact))
    return "K is no multiple of 32, or groups are not of 16 or 32 columns";
  if (!weight.getDefiningOp<lm::SelectOp>())
    return "the weight is not selected from a family";
  return std::nullopt;
}

std::optional<std::string> whyNot(lm::LinearOp linear) {
  if (std::optional<std::string> reason = whyNot(linear.getWeight()))
    return reason;
  if (linear.getBias() && !isPlainVector(linear.getBias()))
    return "the bias is not f32";
  return std::nullopt;
}

/// Why kernels can't compute it, wherever its experts come from.
static std::optional<std::string> whyNoPanels(lm::ExpertLinearOp linear) {
  if (std::optional<std::string> reason = whyNot(linear.getWeight()))
    return reason;
  if (linear.getNumRows() % kPanelRows != 0)
    return "an expert's rows are no multiple of 32";
  if (linear.getNumExperts() > kMostExperts)
    return "there are more than 1024 experts";
  if (linear.getBias() && !isPlainVector(linear.getBias()))
    return "the bias is not f32";
  return std::nullopt;
}

std::optional<std::string> whyNot(lm::ExpertLinearOp linear) {
  if (std::optional<std::string> reason = whyNoPanels(linear))
    return reason;
  if (!linear.getExperts().getDefiningOp<lm::RouteOp>())
    return "the experts are no route's"; // which are in ascending order
  return std::nullopt;
}

std::optional<ActivationFormat> commonActivations(ArrayRef<Operation *> linears, Activations wanted) {
  std::optional<ActivationFormat> common;
  for (Operation *op : linears) {
    auto ofExperts = dyn_cast<lm::ExpertLinearOp>(op);
    if (ofExperts ? whyNoPanels(ofExperts) : whyNot(cast<lm::LinearOp>(op)))
      return std::nullopt;
    WeightFormat weight = *weightFormat(cast<lm::WeightType>(weightOf(op).getType()), wanted);
    ActivationFormat own = activationsFor(weight, roundingFor(weight, wanted));
    common = common ? merged(*common, own) : own;
    if (!common)
      return std::nullopt;
  }
  return common;
}

std::optional<std::string> whyNot(lm::RouteOp route) {
  if (cast<RankedTensorType>(route.getLogits().getType()).getDimSize(1) > kMostExperts)
    return "there are more than 1024 experts";
  if (route.getExperts().use_empty() || route.getShares().use_empty())
    return "nothing takes one of its results";
  return std::nullopt;
}

kv::CacheOp cacheOfSlot(Operation *from, Value slot) {
  kv::CacheOp found;
  StringAttr name = cast<kv::SlotType>(slot.getType()).getSymbol().getLeafReference();
  from->getParentOfType<ModuleOp>().walk([&](kv::CacheOp cache) {
    if (cache.getSymNameAttr() == name)
      found = cache;
  });
  return found;
}

ElementType storedElement(kv::CacheOp cache) {
  std::optional<Type> rounds = cache.getRounds();
  if (!rounds || rounds->isBF16())
    return ElementType::bf16;
  return rounds->isF16() ? ElementType::f16 : ElementType::f32;
}

std::optional<std::string> whyNot(kv::AttendOp attend) {
  int64_t width = cast<RankedTensorType>(attend.getQuery().getType()).getDimSize(2);
  if (attend.getMask() != kv::Mask::causal)
    return "masks other than causal have no kernel";
  if (isa<kv::ViewType>(attend.getKeys().getType()) || isa<kv::ViewType>(attend.getValues().getType()))
    return "rows that another layer lends have no kernel";
  if (width % 16 != 0 || width != cast<RankedTensorType>(attend.getType()).getDimSize(2))
    return "heads are not a multiple of 16 lanes wide, the same for keys and values";
  if (attend.getKeyLayer() != attend.getValueLayer() || attend.getKeys().getType() == attend.getValues().getType())
    return "keys and values are not the same layer of two slots";
  ElementType keys = storedElement(cacheOfSlot(attend, attend.getKeys()));
  if (keys == ElementType::f32 || keys != storedElement(cacheOfSlot(attend, attend.getValues())))
    return "rows are neither all bf16 nor all f16";
  if (attend.getSinks() && !isPlainVector(attend.getSinks()))
    return "sinks are no vector of f32";
  return std::nullopt;
}

Value GroupOps::input() const {
  if (norm)
    return lm::RmsNormOp(norm).getInput();
  return linears.front()->getOperand(0);
}

Value GroupOps::addend() const {
  bool isLeft = sum->getOperand(0).getParentBlock() == sum->getBlock();
  return sum->getOperand(isLeft ? 1 : 0);
}

void matchGroups(func::FuncOp function, Activations wanted) {
  SmallVector<kv::AttendOp> attends;
  SmallVector<Operation *> gates;
  SmallVector<lm::RmsNormOp> norms;
  SmallVector<lm::LinearOp> linears;
  SmallVector<lm::MixOp> mixes;
  SmallVector<lm::RouteOp> routes;
  SmallVector<lm::EmbeddingOp> embeddings;
  function.walk([&](Operation *op) {
    if (auto embedding = dyn_cast<lm::EmbeddingOp>(op))
      embeddings.push_back(embedding);
    if (auto attend = dyn_cast<kv::AttendOp>(op))
      attends.push_back(attend);
    if (isGate(op))
      gates.push_back(op);
    if (auto mix = dyn_cast<lm::MixOp>(op))
      mixes.push_back(mix);
    if (auto route = dyn_cast<lm::RouteOp>(op))
      routes.push_back(route);
    if (auto norm = dyn_cast<lm::RmsNormOp>(op))
      norms.push_back(norm);
    if (auto linear = dyn_cast<lm::LinearOp>(op))
      linears.push_back(linear);
  });
  for (lm::EmbeddingOp embedding : embeddings)
    if (embedding.getWeight().getDefiningOp<lm::SelectOp>()) {
      SmallVector<Operation *> members{embedding};
      members.append(unariesOf(embedding));
      tryGroup(kEmbedding, members);
    }
  for (kv::AttendOp attend : attends)
    if (!whyNot(attend)) {
      matchQkv(attend, wanted);
      matchAttend(attend);
    }
  for (Operation *gate : gates) {
    matchGateUp(gate, wanted);
    matchExpertGate(gate, wanted);
  }
  for (lm::MixOp mix : mixes)
    matchExpertMix(mix, wanted);
  for (lm::RouteOp route : routes)
    if (!whyNot(route))
      tryGroup(kRoute, {route});
  for (lm::LinearOp linear : linears)
    matchLinear(linear, wanted);
  for (lm::RmsNormOp norm : norms)
    matchNormAdd(norm);
}

GroupOps readGroup(kv::GroupOp group) {
  GroupOps ops;
  for (Operation &op : group.getBody().front()) {
    if (auto embedding = dyn_cast<lm::EmbeddingOp>(op))
      ops.embedding = embedding;
    else if (auto norm = dyn_cast<lm::RmsNormOp>(op);
             norm && isa<arith::AddFOp, lm::ExpertLinearOp, lm::LinearOp>(*norm->user_begin()))
      ops.norm = norm;
    else if (isa<lm::ExpertLinearOp, lm::LinearOp>(op))
      ops.linears.push_back(&op);
    else if (auto route = dyn_cast<lm::RouteOp>(op))
      ops.route = route;
    else if (auto mix = dyn_cast<lm::MixOp>(op))
      ops.mix = mix;
    else if (isGate(&op))
      ops.gate = &op;
    else if (isUnary(&op))
      ops.unaries.push_back(&op);
    else if (isa<arith::AddFOp>(op))
      ops.sum = &op;
    else if (auto attend = dyn_cast<kv::AttendOp>(op))
      ops.attend = attend;
    else if (auto take = dyn_cast<lm::TakeOp>(op))
      ops.take = take;
  }
  if (ops.gate)
    ops.linears = {ops.gate->getOperand(0).getDefiningOp(), ops.gate->getOperand(1).getDefiningOp()};
  if (group.getKernel() != kQkv)
    return ops;
  for (Value yielded : group.getBody().front().getTerminator()->getOperands())
    if (isa<RankedTensorType>(yielded.getType()))
      ops.heads.push_back(*headRows(yielded));
  for (auto append : group.getBody().front().getOps<kv::AppendOp>()) {
    HeadRows heads = *headRows(append.getRows());
    heads.append = append;
    ops.heads.push_back(heads);
  }
  return ops;
}

} // namespace kvasir::cpu
