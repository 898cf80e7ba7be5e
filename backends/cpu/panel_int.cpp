// SPDX-License-Identifier: MIT
// Panels whose dots are exact integers: unsigned codes of up to 8 bits times int8 activations. Narrow codes less their
// centre times 8 or 16 activations fit 16 bits, whatever their products were in between: sums wrap.
#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// Blocks ahead that weights are fetched. Distances of 4 to 12 measured equal; none costs AVX-512 10 % with narrow
/// codes.
constexpr int64_t kPrefetchBlocks = 8;

/// One step of a dot: four unsigned codes a lane against one quad (4 bytes) of activations. Codes wider than the
/// machine's dot takes are two steps of words: the even columns of a quad, and the odd ones.
struct Step {
  int64_t quad;
  bool isOdd;
};

/// A tile of results: `numRows` rows from `row` on, `numVectors` registers of weight rows from the block's `first` on.
struct Tile {
  Value row;
  int64_t numRows, first, numVectors;
};

struct IntPanel : PanelBody {
  explicit IntPanel(const PanelBody &body) : PanelBody(body) {}

  bool isOfWords() const { return multipliesWords(isa, weight); }
  /// Whether sums are of 16 bits; they begin with what the row's columns give for the zero then.
  bool isOfHalves() const { return scalesWords(isa, weight); }
  /// What sums are still to be corrected for: codes in words are less their zero already.
  bool hasZeros() const { return dotZero(weight) != 0 && !isOfWords(); }
  int64_t numSteps() const { return isOfWords() ? 16 : 8; }
  int64_t subgroupOf(Step step) const { return step.quad * 4 / weight.group; }
  /// Where the codes of a step lie among those of an unpacked block.
  int64_t lineOf(Step step) const { return isOfWords() ? 2 * step.quad + step.isOdd : step.quad; }

  /// How often codes are loaded, and the steps that those of load `j` give.
  int64_t loads() const { return weight.isPacked() ? 4 : 8; }
  SmallVector<Step> stepsOf(int64_t j) const {
    SmallVector<Step> steps;
    for (int64_t quad = j; quad < 8; quad += loads()) {
      steps.push_back({quad, false});
      if (isOfWords())
        steps.push_back({quad, true});
    }
    return steps;
  }

  /// All steps of a subgroup, in their order.
  SmallVector<Step> stepsOfSubgroup(int64_t subgroup) const {
    SmallVector<Step> steps;
    for (int64_t j = 0; j < loads(); ++j)
      for (Step step : stepsOf(j))
        if (subgroupOf(step) == subgroup)
          steps.push_back(step);
    return steps;
  }

  /// The codes of load `j` for one register of rows, one vector a step.
  Values codesOf(const Block &block, int64_t j, int64_t vector) const {
    Values codes;
    for (int64_t quad = j; quad < 8; quad += loads())
      llvm::append_range(codes, codesOfQuad(block, quad, vector));
    return codes;
  }

  /// The codes of a step for one register of rows.
  Value codesOf(const Block &block, Step step, int64_t vector) const {
    return codesOfQuad(block, step.quad, vector)[step.isOdd];
  }

  /// Those of a quad of columns: the bytes, or the even and the odd ones in words.
  Values codesOfQuad(const Block &block, int64_t quad, int64_t vector) const {
    Value bytes = weight.isPacked() ? packedQuad(block, quad, vector) : wordsOf(block, quad, vector).first;
    if (isOfWords())
      return halvesOf(bytes);
    return {weight.codes == ElementType::i8 ? flipSigns(bytes) : bytes};
  }

  /// The even and the odd bytes of a register less their zero, as i16.
  Values halvesOf(Value bytes) const {
    Type type = code.vec(2 * isa.lanes, code.i16);
    Value pairs = code.bitcast(bytes, type);
    if (weight.codes == ElementType::i8)
      return {code.sar(code.shl(pairs, 8), 8), code.sar(pairs, 8)};
    Values halves = {code.andI(pairs, code.splat(2 * isa.lanes, code.i16, 255)), code.shr(pairs, 8)};
    if (weight.zero)
      for (Value &half : halves)
        half = code.subI(half, code.splat(2 * isa.lanes, code.i16, weight.zero));
    return halves;
  }

  /// Whether a dot of one row takes high nibbles where they lie: sixteen times the codes, in a sum of their own.
  bool hasRaisedSums() const {
    return isa.hasVnni && isa.lanes == 16 && weight.codes == ElementType::u4 && !weight.table;
  }

  /// The codes of load `j` for one register of rows, the second ones in the high nibbles of their bytes.
  Values raisedCodesOf(const Block &block, int64_t j, int64_t vector) const {
    Value word = wordsOf(block, j, vector).first;
    auto masked = [&](uint32_t mask) { return code.andI(word, code.splat(isa.lanes, code.i32, int32_t(mask))); };
    return {masked(0x0f0f0f0f), masked(0xf0f0f0f0)};
  }

  Value flipSigns(Value word) const {
    Value signs = code.splat(isa.lanes, code.i32, int32_t(0x80808080));
    return code.builder().create<arith::XOrIOp>(word, signs);
  }

  /// The activations of a step.
  Value quadOf(Value columnsOfRow, Step step) const {
    int64_t at = isOfWords() ? step.quad * 8 + step.isOdd * 4 : step.quad * 4;
    return code.loadSplat(isa.lanes, code.i32, code.at(columnsOfRow, at));
  }
  int64_t bytesOfColumns() const { return isOfWords() ? 2 * kBlockColumns : kBlockColumns; }

  void step(Value &sum, Value codes, Value quad) const {
    sum = isOfWords() ? isa.dotWords(code, sum, codes, quad) : isa.dot(code, sum, codes, quad);
  }

  void pin(Value &sum) const {
    if (!isa.isEmulated) // wider than this machine's registers
      sum = code.pinned(sum);
  }

  /// What the row's columns of a subgroup have in one of the arrays, in every lane.
  Value ofRow(Value array, Type type, Value group, Value row, int64_t subgroup) const {
    return code.loadSplat(isa.lanes, type, factorAt(array, group, row, subgroup));
  }

  /// What the sum of a subgroup begins with; null is zero.
  Value firstSum(Value group, Value row, int64_t subgroup) const {
    if (!hasZeros())
      return {};
    Value zero = ofRow(zeros, code.i32, group, row, subgroup);
    return isOfHalves() ? code.bitcast(zero, code.vec(2 * isa.lanes, code.i16)) : zero;
  }

  /// What a row's subgroup multiplies with, in every lane.
  struct RowFactors {
    Value multiplier, sum;
  };

  RowFactors rowFactors(Value group, Value row, int64_t subgroup) const {
    RowFactors of;
    Value at = factorAddress(code, multipliers, groups, rows, row, group);
    of.multiplier = code.loadSplat(isa.lanes, isOfHalves() ? code.i32 : code.f32, at);
    if (weight.min)
      of.sum = ofRow(sums, code.f32, group, row, subgroup);
    return of;
  }

  /// The dot of one subgroup times the row's multiplier.
  Value total(Value dot, const RowFactors &row) const {
    if (!isOfWords())
      dot = isa.dotTotal(code, dot, isOfHalves() ? row.multiplier : Value());
    return isOfHalves() ? code.toFloat(dot) : code.mulF(code.toFloat(dot), row.multiplier);
  }

  struct Factors {
    Value scale, min;
  };

  /// Mins make up for what dots take from codes beyond their zero.
  Factors factorsOf(const Block &block, int64_t subgroup, int64_t vector) const {
    Factors of{scaleOf(block, subgroup, vector), minOf(block, subgroup, vector)};
    if (int64_t more = weight.centre() - weight.zero; of.min && more)
      of.min = code.fma(code.splat(isa.lanes, float(more)), of.scale, of.min);
    return of;
  }

  /// Where the unpacked scales (or mins) of a register of rows are.
  Value unpackedFactorAt(int64_t subgroup, bool isMin, int64_t vector) const {
    int64_t line = numSteps() + 2 * subgroup + isMin;
    return code.at(unpacked, (line * kPanelRows + vector * isa.lanes) * 4);
  }

  Factors unpackedFactors(int64_t subgroup, int64_t vector) const {
    auto at = [&](bool isMin) { return code.load(floats(), unpackedFactorAt(subgroup, isMin, vector)); };
    return {at(false), weight.min ? at(true) : Value()};
  }

  Value plusMin(Value y, const Factors &factors, const RowFactors &row) const {
    return weight.min ? code.fma(factors.min, row.sum, y) : y;
  }

  Value columnsAt(Value group, Value row) const {
    return code.at(columns, code.mul(code.add(code.mul(group, rows), row), bytesOfColumns()));
  }

  /// A block of weights, and where tiles of rows have its codes and factors from: registers, memory that it was
  /// unpacked to, or the block itself.
  struct Source {
    enum Kind { inRegisters, unpacked, inPlace } kind;
    Block block;
    Value group;
    bool isFirst;                           ///< results begin at zero
    SmallVector<Values> codes;              ///< [line][register of rows], where registers hold them
    SmallVector<SmallVector<Factors>> kept; ///< [subgroup][register of rows], where registers hold them
  };

  Value codesOf(const Source &source, Step step, int64_t vector) const {
    if (source.kind == Source::inRegisters)
      return source.codes[lineOf(step)][vector];
    if (source.kind == Source::inPlace)
      return codesOf(source.block, step, vector);
    return code.load(words(), code.at(unpacked, (lineOf(step) * kPanelRows + vector * isa.lanes) * 4));
  }

  void emitOneRow() const;
  SmallVector<Values> emitSums(const Block &block, Value group, int64_t first, int64_t numVectors) const;
  void emitBlock(const Block &block, Value group, int64_t first, int64_t numVectors, Values &y) const;
  void emitRows() const;
  void emitFewRows() const;
  void emitManyRows() const;
  void unpack(Source &source) const;
  void storeFactors(const Factors &of, int64_t subgroup, int64_t vector) const;
  void emitGroup(Value group, bool isFirst) const;
  void emitTile(const Source &source, const Tile &tile) const;
  void emitResults(const Source &source, const Tile &tile, int64_t subgroup, SmallVector<Values> &sum) const;

  /// Whether registers hold all codes of a block; else they are unpacked once to the first-level cache.
  bool keepsCodes() const { return isa.lanes == 16; }
  /// Whether they hold its scales and mins, too: four registers are left for these.
  bool keepsFactors() const { return keepsCodes() && weight.subgroups() * (weight.min ? 2 : 1) <= 2; }
  /// Rows of tiles, the highest first, and registers of weight rows of each. Without VNNI eight sums leave registers
  /// for codes, a quad of activations and products; wide tiles load fewer quads (2 x 4 measured 3 % above 4 x 2).
  SmallVector<int64_t> tileHeights() const {
    if (keepsCodes())
      return {4, 1};
    return isa.hasVnni ? SmallVector<int64_t>{6, 2, 1} : SmallVector<int64_t>{2, 1};
  }
  int64_t tileVectors() const { return keepsCodes() ? vectors() : isa.hasVnni ? 2 : 4; }
  /// Up to so many rows are few: their tiles, of at most four, unpack codes and factors to registers, each for itself.
  /// Codes in parts, those of a table in words, and factors of two levels take more registers than there are.
  int64_t fewRows() const {
    return keepsCodes() || weight.highBits() || weight.hasUnits() || (weight.table && isOfWords()) ? 0 : 8;
  }
  static constexpr int64_t kFewVectors = 2; ///< registers of weight rows of such a tile: eight sums at most
  /// Registers of weight rows that one row meets at a time: codes in parts, of a table in words, and two
  /// subgroups take some of their own.
  int64_t vectorsAtOnce() const {
    if (keepsCodes())
      return vectors();
    return weight.highBits() || (weight.table && isOfWords()) ? 1 : weight.subgroups() > 1 ? 2 : vectors();
  }
  /// Else LLVM keeps quads and codes for all registers of rows. Of codes in parts one sum is too few to go on in order:
  /// what LLVM spills there costs less (5 to 8 % from a cache).
  bool pinsOneRow() const { return !keepsCodes() && !weight.highBits(); }
};

/// One row's sums of each subgroup with `numVectors` registers of rows of a block, from register `first` on.
SmallVector<Values> IntPanel::emitSums(const Block &block, Value group, int64_t first, int64_t numVectors) const {
  Value row = code.num(0), columnsOfRow = columnsAt(group, row);
  SmallVector<Values> sum, raised(weight.subgroups(), Values(numVectors));
  for (int64_t s = 0; s < weight.subgroups(); ++s)
    sum.push_back(Values(numVectors, firstSum(group, row, s)));
  for (int64_t j = 0; j < loads(); ++j) {
    SmallVector<Step> steps = stepsOf(j);
    Values quads;
    for (Step step : steps)
      quads.push_back(quadOf(columnsOfRow, step));
    for (int64_t v = 0; v < numVectors; ++v) {
      Values codes = hasRaisedSums() ? raisedCodesOf(block, j, first + v) : codesOf(block, j, first + v);
      for (size_t i = 0; i < codes.size(); ++i) {
        Value &of = (hasRaisedSums() && i == 1 ? raised : sum)[subgroupOf(steps[i])][v];
        step(of, codes[i], quads[i]);
        if (pinsOneRow())
          pin(of);
      }
    }
  }
  for (int64_t s = 0; s < weight.subgroups(); ++s)
    for (int64_t v = 0; v < numVectors; ++v)
      if (Value more = raised[s][v] ? code.sar(raised[s][v], 4) : Value())
        sum[s][v] = sum[s][v] ? code.addI(sum[s][v], more) : more;
  return sum;
}

/// One row's results of `numVectors` registers of rows, after a block.
void IntPanel::emitBlock(const Block &block, Value group, int64_t first, int64_t numVectors, Values &y) const {
  SmallVector<Values> sum = emitSums(block, group, first, numVectors);
  for (int64_t s = 0; s < weight.subgroups(); ++s) {
    RowFactors of = rowFactors(group, code.num(0), s);
    for (int64_t v = 0; v < numVectors; ++v) {
      Value dot = total(sum[s][v], of); // said first: behind the min it measured 5 % slower, from a cache
      Factors factors = factorsOf(block, s, first + v);
      Value &result = y[first + v];
      result = code.fma(dot, factors.scale, plusMin(result, factors, of));
      if (pinsOneRow())
        pin(result);
    }
  }
}

void IntPanel::emitOneRow() const {
  Values y =
      code.loop(code.num(0), groups, 1, Values(vectors(), code.zero(floats())), [&](Value group, ValueRange carried) {
        Block block = blockAt(group);
        if (weight.isPacked())
          fetchStream(group, kPrefetchBlocks);
        else // the machine runs ahead by itself within a panel
          code.when(code.less(groups, code.add(group, kPrefetchBlocks + 1)),
                    [&] { fetchStream(group, kPrefetchBlocks); });
        Values next(carried);
        for (int64_t first = 0; first < vectors(); first += vectorsAtOnce())
          emitBlock(block, group, first, vectorsAtOnce(), next);
        return next;
      });
  for (int64_t v = 0; v < vectors(); ++v)
    code.store(y[v], code.at(result, v * isa.lanes * 4));
}

void IntPanel::emitTile(const Source &source, const Tile &tile) const {
  Value columnsOfRow = columnsAt(source.group, tile.row);
  for (int64_t s = 0; s < weight.subgroups(); ++s) {
    SmallVector<Values> sum;
    for (int64_t r = 0; r < tile.numRows; ++r)
      sum.push_back(Values(tile.numVectors, firstSum(source.group, code.add(tile.row, r), s)));
    for (Step of : stepsOfSubgroup(s)) {
      Values word;
      for (int64_t v = 0; v < tile.numVectors; ++v)
        word.push_back(codesOf(source, of, tile.first + v));
      for (int64_t r = 0; r < tile.numRows; ++r) {
        Value quad = quadOf(code.at(columnsOfRow, r * bytesOfColumns()), of);
        for (int64_t v = 0; v < tile.numVectors; ++v) {
          step(sum[r][v], word[v], quad);
          // Else LLVM adds products in trees and loads quads ahead, for which there are no registers.
          pin(sum[r][v]);
        }
      }
    }
    emitResults(source, tile, s, sum);
  }
}

/// Adds what a tile's rows have of a subgroup to their results. Those that are fetched while sums are in the making
/// take their registers.
void IntPanel::emitResults(const Source &source, const Tile &tile, int64_t subgroup, SmallVector<Values> &sum) const {
  bool isInPlace = source.kind == Source::inPlace;
  SmallVector<Factors> kept;
  for (int64_t v = 0; isInPlace && v < tile.numVectors; ++v)
    kept.push_back(factorsOf(source.block, subgroup, tile.first + v));
  auto factors = [&](int64_t v) {
    if (isInPlace)
      return kept[v];
    // Factors that a tile has no registers left for are read again for each row.
    return keepsFactors() ? source.kept[subgroup][tile.first + v] : unpackedFactors(subgroup, tile.first + v);
  };
  Value to = registerAt(source.block, code.at(result, code.mul(tile.row, kPanelRows * 4)), 4, tile.first);
  for (int64_t r = 0; r < tile.numRows; ++r) {
    RowFactors of = rowFactors(source.group, code.add(tile.row, r), subgroup);
    to = code.pinned(to);
    // Beside the factors that are kept there is no register for the row's multiplier.
    for (int64_t v = 0; isInPlace && v < tile.numVectors; ++v)
      pin(sum[r][v] = total(sum[r][v], of));
    for (int64_t v = 0; v < tile.numVectors; ++v) {
      Value address = code.at(to, (r * kPanelRows + v * isa.lanes) * 4);
      Factors by = factors(v);
      Value y = source.isFirst && subgroup == 0 ? code.zero(floats()) : code.load(floats(), address);
      Value dot = isInPlace ? sum[r][v] : total(sum[r][v], of);
      code.store(code.fma(dot, by.scale, plusMin(y, by, of)), address);
    }
  }
}

/// Codes and factors of the block go to where the tiles want them: registers, or memory.
void IntPanel::unpack(Source &source) const {
  source.codes.resize(keepsCodes() ? numSteps() : 0);
  source.kept.resize(keepsFactors() ? weight.subgroups() : 0);
  for (int64_t v = 0; v < vectors(); ++v) {
    for (int64_t j = 0; j < loads(); ++j) {
      SmallVector<Step> steps = stepsOf(j);
      for (auto [index, word] : llvm::enumerate(codesOf(source.block, j, v)))
        if (int64_t line = lineOf(steps[index]); keepsCodes())
          source.codes[line].push_back(word);
        else
          code.store(word, code.at(unpacked, (line * kPanelRows + v * isa.lanes) * 4));
    }
    for (int64_t s = 0; s < weight.subgroups(); ++s)
      if (Factors of = factorsOf(source.block, s, v); keepsFactors())
        source.kept[s].push_back(of);
      else
        storeFactors(of, s, v);
  }
}

void IntPanel::storeFactors(const Factors &of, int64_t subgroup, int64_t vector) const {
  code.store(of.scale, unpackedFactorAt(subgroup, false, vector));
  if (weight.min)
    code.store(of.min, unpackedFactorAt(subgroup, true, vector));
}

void IntPanel::emitGroup(Value group, bool isFirst) const {
  Source source{keepsCodes() ? Source::inRegisters : Source::unpacked, blockAt(group), group, isFirst, {}, {}};
  fetchAhead(group, kPrefetchBlocks);
  unpack(source);
  for (int64_t first = 0; first < vectors(); first += tileVectors()) {
    Value done = code.num(0);
    for (int64_t numRows : tileHeights()) {
      Value end = code.add(done, code.mul(code.div(code.sub(count, done), numRows), numRows));
      code.loop(done, end, numRows, [&](Value row) { emitTile(source, {row, numRows, first, tileVectors()}); });
      done = end;
    }
  }
}

void IntPanel::emitManyRows() const {
  emitGroup(code.num(0), /*isFirst=*/true);
  code.loop(code.num(1), groups, 1, [&](Value group) { emitGroup(group, /*isFirst=*/false); });
}

void IntPanel::emitFewRows() const {
  clearResults();
  code.loop(code.num(0), groups, 1, [&](Value group) {
    Source source{Source::inPlace, blockAt(group), group, /*isFirst=*/false, {}, {}};
    fetchAhead(group, kPrefetchBlocks);
    code.loop(code.num(0), code.num(vectors()), kFewVectors, [&](Value vector) {
      source.block.vector = vector;
      Value done = code.num(0);
      for (int64_t numRows : {4, 3, 2, 1}) {
        Value end = code.add(done, code.mul(code.div(code.sub(count, done), numRows), numRows));
        code.loop(done, end, numRows, [&](Value row) { emitTile(source, {row, numRows, 0, kFewVectors}); });
        done = end;
      }
    });
  });
}

void IntPanel::emitRows() const {
  if (fewRows() == 0)
    return emitManyRows();
  code.when(code.less(count, code.num(fewRows() + 1)), [&] { emitFewRows(); }, [&] { emitManyRows(); });
}

} // namespace

void emitIntPanelOfOneRow(const PanelBody &panel) { IntPanel(panel).emitOneRow(); }
void emitIntPanelOfRows(const PanelBody &panel) { IntPanel(panel).emitRows(); }

} // namespace kvasir::cpu
