// SPDX-License-Identifier: MIT
#include "backends/cpu/experts.h"

#include "backends/cpu/routing.h"
#include "backends/cpu/tasks.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// Panels that a task of a mix takes: an expert's rows stay in the first-level cache for so many. Fewer where a member
/// would not have two tasks.
constexpr int64_t kMixedPanels = 4;

/// What both kernels do. A place is where a row lies in the order of the experts.
class Experts {
public:
  Experts(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, ArrayRef<Linear> linears)
      : code(kernel.code), kernel(kernel), format(format), input(input), linears(linears),
        order(code, kernel.scratch, input.experts), rows(code.mul(input.rows.rows, input.chosen)),
        stride(code.add(rows, kSpareRows)) {
    Value behind = code.add(code.mul(rows, 4), ExpertOrder::bytes(input.experts));
    activations = code.at(kernel.scratch, code.andI(code.add(behind, 63), code.num(-64)));
    Value shared = code.mul(stride, format.bytesPerRow(input.rows.columns));
    members = code.at(activations, code.andI(code.add(shared, 63), code.num(-64)));
  }

protected:
  Value groups() const { return code.num(input.rows.columns / kBlockColumns); }
  int64_t rowBytes() const { return int64_t(llvm::alignTo(format.bytesPerRow(input.rows.columns), 64)); }
  int64_t bytesPerMember() const {
    return expertScratch(format, input.rows.columns, input.experts, input.chosen, int64_t(linears.size()))
        .bytesPerMember;
  }
  int64_t units() const { return linears.front().rows / kPanelRows; }

  // A member's scratch: its line of tasks, the rows of a single token, tiles, an unpacked block.
  Value own() const { return code.at(members, code.mul(kernel.member, bytesPerMember())); }
  Value ownRow(Value number) const { return code.at(code.at(own(), Tasks::kBytes), code.mul(number, rowBytes())); }
  Value tile(int64_t index) const {
    return code.at(own(), Tasks::kBytes + input.chosen * rowBytes() + index * rowBlock(format) * kPanelRows * 4);
  }
  Value unpacked() const { return tile(int64_t(linears.size())); }

  /// Row `row` of the source to place `place` of activations of so many rows.
  void round(Value row, Value place, Value count, Value destination) const {
    roundRow(kernel, format, input.rows, row, place, count, destination);
  }

  Value unitOf(Value activations, Value count, Value row) const {
    return loadUnit(code, format, input.rows, activations, count, row);
  }

  /// The expert that a row of the single token takes.
  Value expertOf(Value row) const { return loadExpert(code, code.at(input.numbers, code.mul(row, 4)), input.experts); }

  /// Which of all experts' panels an expert's is.
  Value panelOf(Value expert, Value unit) const { return code.add(code.mul(expert, units()), unit); }

  Value panelAt(int64_t index, Value expert, Value unit) const {
    return code.at(linears[index].blocks,
                   code.mul(panelOf(expert, unit), linears[index].format.panelBytes(input.rows.columns)));
  }

  /// The bias of an expert's panel; null where there is none.
  Value biasAt(int64_t index, Value expert, Value unit) const {
    const Linear &of = linears[index];
    if (!of.bias)
      return {};
    return code.at(of.bias, code.mul(panelOf(expert, unit), kPanelRows * 4));
  }

  /// A panel's call but for its rows; the panel at `next` comes then.
  PanelCall panelCall(int64_t index, Value expert, Value unit, Value rounded, Value next) const {
    PanelCall call;
    call.weight = panelAt(index, expert, unit);
    call.groups = groups();
    call.activations = rounded;
    call.result = tile(index);
    call.unpacked = unpacked();
    call.next = next;
    return call;
  }

  /// A panel times the row of a single token that lies at `activations`.
  Tile panelOfOneRow(int64_t index, Value expert, Value unit, Value activations, Value next) const {
    PanelCall call = panelCall(index, expert, unit, activations, next);
    call.firstRow = code.num(0);
    call.rows = call.count = code.num(1);
    emitPanelOfOneRow(code, kernel.module, kernel.isa, linears[index].format, format, call);
    return {call.result, unitOf(activations, code.num(1), code.num(0)), biasAt(index, expert, unit)};
  }

  void panelOfRows(int64_t index, Value expert, Value unit, Value begin, Value end, Value next) const {
    PanelCall call = panelCall(index, expert, unit, activations, next);
    call.firstRow = begin;
    call.rows = stride;
    call.count = code.sub(end, begin);
    emitPanelOfRows(code, kernel.module, kernel.isa, linears[index].format, format, call);
  }

  /// The tile of place `place`, of the block of an expert's places that begins at `begin`.
  Tile tileOf(int64_t index, Value expert, Value unit, Value place, Value begin) const {
    return {code.at(tile(index), code.mul(code.sub(place, begin), kPanelRows * 4)), unitOf(activations, stride, place),
            biasAt(index, expert, unit)};
  }

  /// Runs `body` on blocks of the places of an expert.
  void forBlocks(Value expert, const std::function<void(Value begin, Value end)> &body) const {
    auto [first, last] = order.placesOf(expert);
    code.loop(first, last, rowBlock(format),
              [&, last = last](Value begin) { body(begin, code.min(code.add(begin, rowBlock(format)), last)); });
  }

  /// Puts rows in order, rounds them, and runs `body` on the numbers of tasks, of which `shareOf` says which are a
  /// member's.
  void forTasks(llvm::function_ref<std::pair<Value, Value>(Value member)> shareOf,
                const std::function<void(Value number)> &body) const {
    Value isTeam = code.less(code.num(1), kernel.members);
    code.when(code.equal(kernel.member, 0), [&] { order.emitSort(kernel.module, input.numbers, rows); });
    code.when(isTeam, [&] { kernel.barrier(); });
    auto [begin, end] = kernel.share(rows);
    code.loop(begin, end, 1, [&](Value place) {
      Value row = order.row(place);
      round(input.hasParts ? row : code.div(row, input.chosen), place, stride, activations);
    });
    Tasks tasks(kernel, members, bytesPerMember(), Tasks::areHelped(kernel, rows, /*least=*/1));
    auto [mineBegin, mineEnd] = shareOf(kernel.member);
    tasks.open(code.sub(mineEnd, mineBegin));
    code.when(isTeam, [&] { kernel.barrier(); });
    tasks.forOwners([&](Value owner) {
      auto [begin, end] = shareOf(owner);
      code.loop(begin, end, 1, tasks.begin(owner),
                [&](Value number, ValueRange carried) { return tasks.next(owner, carried, [&] { body(number); }); });
    });
  }

  Code &code;
  const Kernel &kernel;
  const ActivationFormat &format;
  const ExpertInput &input;
  ArrayRef<Linear> linears;
  ExpertOrder order;
  Value rows, stride; ///< rows of all tokens, and from group to group of their activations
  Value activations, members;
};

class GateKernel : Experts {
public:
  GateKernel(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, ArrayRef<Linear> gateAndUp,
             const Gate &gate, Value result)
      : Experts(kernel, format, input, gateAndUp), gate(gate), to{result, gateAndUp.front().rows} {}

  /// Units of all of the token's experts, shared out.
  void emitOneRow() const {
    auto [begin, end] = kernel.share(code.num(input.chosen * units()));
    Value row = ownRow(code.num(0)), last = code.num(input.chosen * units() - 1);
    round(code.num(0), code.num(0), code.num(1), row);
    code.loop(begin, end, 1, [&](Value number) {
      auto placeOf = [&](Value number) {
        return std::pair(expertOf(code.div(number, units())), code.rem(number, units()));
      };
      auto [expert, unit] = placeOf(number);
      auto [nextExpert, nextUnit] = placeOf(code.min(code.add(number, 1), last));
      Tile gated = panelOfOneRow(0, expert, unit, row, panelAt(1, expert, unit));
      Tile up = panelOfOneRow(1, expert, unit, row, panelAt(0, nextExpert, nextUnit));
      store(code.div(number, units()), unit, gated, up);
    });
  }

  /// A task is a unit of an expert that has rows.
  void emitRows() const {
    auto shareOf = [&](Value member) {
      return evenShare(code, code.mul(order.numActive(), units()), member, kernel.members);
    };
    forTasks(shareOf, [&](Value number) {
      Value expert = order.active(code.div(number, units())), unit = code.rem(number, units());
      Value nextUnit = code.min(code.add(unit, 1), code.num(units() - 1));
      forBlocks(expert, [&](Value begin, Value end) {
        panelOfRows(0, expert, unit, begin, end, panelAt(1, expert, unit));
        panelOfRows(1, expert, unit, begin, end, panelAt(0, expert, nextUnit));
        code.loop(begin, end, 1, [&](Value place) {
          store(order.row(place), unit, tileOf(0, expert, unit, place, begin), tileOf(1, expert, unit, place, begin));
        });
      });
    });
  }

private:
  void store(Value row, Value unit, const Tile &gated, const Tile &up) const {
    emitStoreGated(kernel, gate, to, row, code.mul(unit, kPanelRows), gated, up);
  }

  Gate gate;
  Destination to; ///< a row for each of a token's experts
};

/// Of experts in ascending order, an output's sum has one order whether it is computed token by token or expert by
/// expert.
class MixKernel : Experts {
public:
  MixKernel(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, const Linear &down,
            Value shares, float factor, Value addend, Value result)
      : Experts(kernel, format, input, down), shares(shares), factor(factor), addend(addend), result(result) {}

  void emitOneRow() const {
    Value chosen = code.num(input.chosen), lastUnit = code.num(units() - 1);
    code.loop(code.num(0), chosen, 1, [&](Value row) { round(row, code.num(0), code.num(1), ownRow(row)); });
    auto [begin, end] = kernel.share(code.num(units()));
    code.loop(begin, end, 1, [&](Value unit) {
      code.loop(code.num(0), chosen, 1, [&](Value row) {
        Value following = code.add(row, 1), isLast = code.equal(following, input.chosen);
        Value next = panelAt(0, expertOf(code.select(isLast, code.num(0), following)),
                             code.select(isLast, code.min(code.add(unit, 1), lastUnit), unit));
        add(row, unit, panelOfOneRow(0, expertOf(row), unit, ownRow(row), next));
      });
    });
  }

  /// A task is some panels of all experts.
  void emitRows() const {
    Value most = code.div(code.num(units()), code.mul(kernel.members, 2));
    Value together = code.max(code.min(most, code.num(kMixedPanels)), code.num(1));
    Value numTasks = code.div(code.add(code.num(units() - 1), together), together);
    auto shareOf = [&](Value member) { return evenShare(code, numTasks, member, kernel.members); };
    forTasks(shareOf, [&](Value number) {
      Value first = code.mul(number, together), end = code.min(code.add(first, together), code.num(units()));
      code.loop(code.num(0), order.numActive(), 1, [&](Value index) {
        Value expert = order.active(index);
        forBlocks(expert, [&](Value begin, Value placesEnd) {
          code.loop(first, end, 1, [&](Value unit) {
            Value next = panelAt(0, expert, code.min(code.add(unit, 1), code.num(units() - 1)));
            panelOfRows(0, expert, unit, begin, placesEnd, next);
            code.loop(begin, placesEnd, 1,
                      [&](Value place) { add(order.row(place), unit, tileOf(0, expert, unit, place, begin)); });
          });
        });
      });
    });
  }

private:
  /// Adds the share of a token's expert to 32 columns of the token's result.
  void add(Value row, Value unit, const Tile &tile) const {
    Value token = code.div(row, input.chosen), isFirst = code.equal(code.rem(row, input.chosen), 0);
    Value share = code.load(code.f32, code.at(shares, code.mul(row, 4)));
    if (factor != 1)
      share = code.mulF(share, code.builder().create<arith::ConstantOp>(code.builder().getF32FloatAttr(factor)));
    emitAddShare(kernel, {result, linears.front().rows}, addend, isFirst, share, token, code.mul(unit, kPanelRows),
                 tile);
  }

  Value shares;
  float factor;
  Value addend, result;
};

/// Emits one row's code or that of many.
template <typename Emitted> void emitByRows(const Kernel &kernel, Value tokens, const Emitted &emitted) {
  Code &code = kernel.code;
  // A call of one token may want no row of its last layer.
  if (kernel.rows == 1)
    return code.when(code.equal(tokens, 1), [&] { emitted.emitOneRow(); });
  code.when(code.equal(tokens, 1), [&] { emitted.emitOneRow(); }, [&] { emitted.emitRows(); });
}

} // namespace

LinearScratch expertScratch(const ActivationFormat &format, int64_t columns, int64_t experts, int64_t chosen,
                            int64_t tiles) {
  int64_t row = format.bytesPerRow(columns);
  return {ExpertOrder::bytes(experts) + 128 + kSpareRows * row, chosen * (row + 4),
          Tasks::kBytes + chosen * int64_t(llvm::alignTo(row, 64)) + tiles * rowBlock(format) * kPanelRows * 4 +
              kUnpackedBytes};
}

void emitExpertGate(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, const Linear &gated,
                    const Linear &up, const Gate &gate, Value result) {
  const Linear linears[] = {gated, up};
  emitByRows(kernel, input.rows.rows, GateKernel(kernel, format, input, linears, gate, result));
}

void emitExpertMix(const Kernel &kernel, const ActivationFormat &format, const ExpertInput &input, const Linear &down,
                   Value shares, float factor, Value addend, Value result) {
  emitByRows(kernel, input.rows.rows, MixKernel(kernel, format, input, down, shares, factor, addend, result));
}

} // namespace kvasir::cpu
