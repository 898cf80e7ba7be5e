// SPDX-License-Identifier: MIT
#include "tests/unit/toy_package.h"

#include <cmath>

namespace kvasir::test {
namespace {

using imported::Tensor;
using imported::Tensors;

constexpr uint64_t kLayers = 2, kWidth = 4, kPrefill = 4;
using Row = std::array<double, kWidth>;

uint64_t numRows(const ToyPackage::Options &options) {
  return options.form == ToyForm::ring || options.form == ToyForm::shift ? 8 : options.context;
}

double mixed(uint64_t a, uint64_t b) { return std::sin(static_cast<double>(7 * a + 13 * b + 1)); }

Row embed(double id) {
  Row row;
  for (uint64_t i = 0; i < kWidth; ++i)
    row[i] = mixed(static_cast<uint64_t>(id), i);
  return row;
}

Row project(const Row &x, uint64_t matrix) {
  Row row = {};
  for (uint64_t i = 0; i < kWidth; ++i)
    for (uint64_t j = 0; j < kWidth; ++j)
      row[i] += x[j] * mixed(matrix * 31 + i, j);
  return row;
}

/// One call of one function: what of a bug is to be seen in it.
class ToyCall {
public:
  ToyCall(const ToyPackage::Options &options, bool hasBug, Tensors &state, const Tensors &inputs)
      : options(options), bug(hasBug ? options.bug : ToyBug::none), before(state), state(state), inputs(inputs) {
    ids = &inputs.at(inputs.contains("inputIds") ? "inputIds" : "input_ids");
    count = ids->dims[1];
    position = inputs.contains("pos")     ? static_cast<int64_t>(inputs.at("pos").at(0))
               : options.isAnyLength      ? int64_t(mask().dims.back()) - int64_t(count)
               : state.contains("length") ? static_cast<int64_t>(state.at("length").at(0))
                                          : 0;
  }

  Tensors run() {
    Tensor output = Tensor::make(ElementType::f32, {options.batch, count, kWidth});
    if (options.form == ToyForm::recurrent)
      return recur(output);
    if (options.form == ToyForm::shift)
      shift(bug == ToyBug::shiftsByOne ? 1 : count);
    for (uint64_t sequence = 0; sequence < options.batch; ++sequence)
      runSequence(sequence, output);
    if (state.contains("length")) {
      const double length = static_cast<double>(position) + (bug == ToyBug::advancesByOne ? 1.0 : double(count));
      state.at("length").set(0, bug == ToyBug::codesCounter ? std::min(length, 127.0) : length);
    }
    return {{"output", output}};
  }

private:
  const Tensor &mask() const { return inputs.at(inputs.contains("causalMask") ? "causalMask" : "causal_mask"); }

  Tensors recur(Tensor &output) {
    Tensor &sum = state.at("sum");
    for (uint64_t token = bug == ToyBug::lastTokenOnly ? count - 1 : 0; token < count; ++token) {
      const Row x = embed(ids->at(token));
      remember(x);
      for (uint64_t i = 0; i < kWidth; ++i) {
        sum.set(i, 0.75 * sum.at(i) + x[i]);
        output.set(token * kWidth + i, sum.at(i));
      }
    }
    return {{"output", output}};
  }

  /// The last three tokens, as a convolution keeps them.
  void remember(const Row &x) {
    Tensor &last = state.at("last");
    for (uint64_t i = 0; i < kWidth; ++i) {
      last.set(3 * i, last.at(3 * i + 1));
      last.set(3 * i + 1, last.at(3 * i + 2));
      last.set(3 * i + 2, x[i]);
    }
  }

  uint64_t at(uint64_t layer, uint64_t sequence, uint64_t row) const {
    return ((layer * options.batch + sequence) * numRows(options) + row) * kWidth;
  }

  void shift(uint64_t by) {
    for (const char *name : {"k_cache", "v_cache"})
      for (uint64_t slab = 0; slab < kLayers * options.batch; ++slab)
        for (uint64_t row = 0; row + by < numRows(options); ++row)
          for (uint64_t i = 0; i < kWidth; ++i)
            state.at(name).set(at(0, slab, row) + i, state.at(name).at(at(0, slab, row + by) + i));
  }

  int64_t rowOf(uint64_t token) const {
    const int64_t rows = int64_t(numRows(options)), due = position + int64_t(token);
    switch (options.form) {
    case ToyForm::ring:
      return bug == ToyBug::clamped ? std::min(due, rows - 1) : due % rows;
    case ToyForm::shift:
      return rows - int64_t(count) + int64_t(token);
    default:
      return due + (bug == ToyBug::nextRow);
    }
  }

  void store(const char *name, uint64_t layer, uint64_t sequence, uint64_t token, const Row &row) {
    if ((bug == ToyBug::neverWritesValues && name[0] == 'v') || (bug == ToyBug::lastOnly && token + 1 < count))
      return;
    if (bug == ToyBug::oneMore && token + 1 == count)
      storeAt(name, layer, sequence, rowOf(token) + 1, row);
    storeAt(name, layer, sequence, rowOf(token), row);
  }

  void storeAt(const char *name, uint64_t layer, uint64_t sequence, int64_t place, const Row &row) {
    if (place < 0 || place >= int64_t(numRows(options)))
      throw Error(KV_FAILED, "a row is out of range");
    const uint64_t layerPlace = bug == ToyBug::firstLayerTwice ? 0 : layer;
    for (uint64_t i = 0; i < kWidth; ++i)
      state.at(name).set(at(layerPlace, sequence, uint64_t(place)) + i,
                         bug == ToyBug::infinite ? INFINITY : options.scale * row[i]);
  }

  void runSequence(uint64_t sequence, Tensor &output) {
    std::vector<Row> x;
    for (uint64_t token = 0; token < count; ++token) {
      const uint64_t source = bug == ToyBug::otherSequence ? options.batch - 1 : sequence;
      x.push_back(embed(ids->at(source * count + token)));
    }
    for (uint64_t layer = 0; layer < kLayers; ++layer) {
      for (uint64_t token = 0; token < count; ++token) {
        Row key = project(x[token], 2 * layer), value = project(x[token], 2 * layer + 1);
        double phase = static_cast<double>(position) + double(token) + (bug == ToyBug::laterPhase ? 3 : 0);
        phase = bug == ToyBug::clampedPhase ? std::min(phase, 9.0) : phase;
        for (uint64_t i = 0; i < kWidth && bug != ToyBug::rawKeys && options.form == ToyForm::linear; ++i)
          key[i] = (key[i] + 0.25 * std::sin(phase * double(i + 1))) * (bug == ToyBug::scaled ? 2 : 1);
        const bool isSwapped = bug == ToyBug::swapped;
        store("k_cache", layer, sequence, token, isSwapped ? value : key);
        store("v_cache", layer, sequence, token, isSwapped ? key : value);
      }
      for (uint64_t token = 0; token < count; ++token)
        attend(layer, sequence, token, x[token]);
    }
    for (uint64_t token = 0; token < count; ++token)
      for (uint64_t i = 0; i < kWidth; ++i)
        output.set((sequence * count + token) * kWidth + i, x[token][i]);
  }

  void attend(uint64_t layer, uint64_t sequence, uint64_t token, Row &x) const {
    const Tensor &visible = mask();
    const uint64_t columns = std::min(visible.dims.back(), numRows(options));
    Row sum = {};
    double total = 0;
    const Tensors &caches = bug == ToyBug::readsFirst ? before : state;
    const auto isVisible = [&](uint64_t row) {
      const bool isFew = bug == ToyBug::firstRows || (bug == ToyBug::firstOfLayer && layer == 1);
      if (bug == ToyBug::ignoresMask)
        return row < uint64_t(position) + count;
      if (bug == ToyBug::seesAll)
        return true;
      if (bug == ToyBug::seesItself)
        return int64_t(row) == position + int64_t(token);
      if ((isFew && row >= 8) || (bug == ToyBug::notTheFirst && row == 0) ||
          (bug == ToyBug::notItself && int64_t(row) == position + int64_t(token)))
        return false;
      if (options.window <= uint64_t(position) + token && row <= uint64_t(position) + token - options.window)
        return false;
      return visible.at(token * visible.dims.back() + row) == 0 ||
             (bug == ToyBug::showsUnwritten && row == uint64_t(position) + count);
    };
    for (uint64_t row = 0; row < columns; ++row) {
      if (!isVisible(row))
        continue;
      double score = 0;
      for (uint64_t i = 0; i < kWidth; ++i)
        score += x[i] * caches.at("k_cache").at(at(layer, sequence, row) + i) / options.scale;
      const double weight = std::exp(0.5 * score);
      total += weight;
      for (uint64_t i = 0; i < kWidth; ++i)
        sum[i] += weight *
                  caches.at(bug == ToyBug::keysAsValues ? "k_cache" : "v_cache").at(at(layer, sequence, row) + i) /
                  options.scale;
    }
    for (uint64_t i = 0; i < kWidth && total > 0; ++i)
      x[i] += sum[i] / total;
  }

  const ToyPackage::Options &options;
  const ToyBug bug;
  const Tensors before;
  Tensors &state;
  const Tensors &inputs;
  const Tensor *ids;
  uint64_t count;
  int64_t position;
};

FunctionDescription functionOf(const ToyPackage::Options &options, const std::string &name, uint64_t count) {
  FunctionDescription function;
  function.name = name;
  function.maxTokens = 0;
  const Dimension batch{0, options.batch}, tokens = count ? Dimension{0, count} : Dimension{'a', 0};
  const Dimension columns = count ? Dimension{0, numRows(options)} : Dimension{'b', 0};
  function.inputs.push_back({count ? "input_ids" : "inputIds", ElementType::i32, {batch, tokens}});
  if (count && (options.form == ToyForm::linear || options.form == ToyForm::ring))
    function.inputs.push_back({"pos", ElementType::i32, {{0, 1}}});
  if (options.form != ToyForm::recurrent)
    function.inputs.push_back({count ? "causal_mask" : "causalMask", ElementType::f16, {{0, 1}, tokens, columns}});
  function.outputs.push_back({"output", ElementType::f32, {batch, tokens, {0, kWidth}}});
  function.extents.resize(count ? 0 : 2);
  for (size_t i = 0; i < function.extents.size(); ++i) {
    function.extents[i].symbol = i ? 'b' : 'a';
    function.extents[i].to = numRows(options);
  }
  return function;
}

SlotDescription slotOf(const std::string &name, const std::vector<uint64_t> &shape) {
  SlotDescription slot;
  slot.name = name;
  slot.kind = SlotKind::reg;
  slot.shape = shape;
  return slot;
}

} // namespace

ToyPackage::ToyPackage(const Options &given) : options(given) {
  if (options.isAnyLength)
    content.functions = {functionOf(options, "main", 0)};
  else
    content.functions = {functionOf(options, "prefill", kPrefill), functionOf(options, "decode", 1)};
  if (options.form == ToyForm::recurrent) {
    content.slots = {slotOf("last", {1, kWidth, 3}), slotOf("sum", {1, kWidth})};
    return;
  }
  const std::vector<uint64_t> shape = {kLayers, options.batch, numRows(options), kWidth};
  content.slots = {slotOf("k_cache", shape), slotOf("v_cache", shape)};
  if (options.form == ToyForm::counter)
    content.slots.push_back(slotOf("length", {1}));
}

Tensors ToyPackage::zeroState() const {
  Tensors state;
  for (const SlotDescription &slot : content.slots)
    state[slot.name] = Tensor::make(options.element, slot.shape);
  return state;
}

Tensors ToyPackage::call(const std::string &function, Tensors &state, const Tensors &inputs) const {
  Tensors next = state;
  Tensors outputs =
      ToyCall(options, options.wrongFunction == "all" || function == options.wrongFunction, next, inputs).run();
  state = std::move(next);
  return outputs;
}

} // namespace kvasir::test
