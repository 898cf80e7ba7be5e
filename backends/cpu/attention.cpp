// SPDX-License-Identifier: MIT
#include "backends/cpu/attention.h"

#include "backends/cpu/attention_partition.h"
#include "backends/cpu/cache_layout.h"
#include "backends/cpu/epilogues.h"
#include "backends/cpu/tasks.h"
#include "compiler/passes/call_frame.h"

#include <tuple>

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// The most queries of a tile: enough to use a partition of the cache often, few enough for scores in the second-level
/// cache.
constexpr int64_t kTileQueries = 64;
/// Partitions of one token's heads that are computed between two barriers.
constexpr int64_t kRoundPartitions = 64;

int64_t roundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Tokens of a tile: they divide a run of rows.
int64_t tileTokens(int64_t groupSize) {
  int64_t tokens = kRunRows;
  while (tokens > 1 && tokens * groupSize > kTileQueries)
    tokens /= 2;
  return tokens;
}

int64_t queryTile(const Isa &isa, int64_t groupSize, bool isAlone) {
  return isAlone ? aloneQueryTile(groupSize) : isa.lanes == 8 ? kQueryTileAvx2 : kQueryTile;
}

/// Queries that scratch is for, whatever the variant.
int64_t roomForQueries(int64_t groupSize, bool isAlone) {
  int64_t alone = roundUp(groupSize, aloneQueryTile(groupSize));
  return isAlone ? alone : std::max(alone, roundUp(tileTokens(groupSize) * groupSize, kQueriesRoundedTo));
}

struct Scratch {
  int64_t queries, scores, records, lanes, end; ///< where each begins
};

/// A member's own scratch, for `numQueries` queries.
Scratch ownScratch(int64_t numQueries, int64_t width) {
  Scratch at;
  at.queries = 0;
  at.scores = at.queries + numQueries * width * 4;
  at.records = at.scores + numQueries * kScoreBytes;
  at.lanes = at.records + numQueries * kRecordBytesPerQuery;
  at.end = roundUp(at.lanes + numQueries * width * 4, 64);
  return at;
}

struct Emitter {
  const Kernel &kernel;
  const Attention &attention;
  Code &code = kernel.code;

  bool isAlone() const { return kernel.rows == 1; }
  int64_t groupSize() const { return attention.groupSize(); }
  int64_t stateBytes() const { return attentionStateBytes(attention.width); }
  Scratch own() const { return ownScratch(roomForQueries(groupSize(), isAlone()), attention.width); }
  CallFrame frame() const { return {code.builder(), code.builder().getLoc(), kernel.call}; }

  /// The address of one head of this layer in a block.
  Value cacheOf(unsigned slot, Value sequence, Value partition, Value head) const {
    Value base = frame().block(slot, code.toIndex(sequence), code.toIndex(partition));
    Value number = code.add(code.mul(attention.layer, attention.heads), head);
    return code.at(base, code.mul(number, cacheHeadBytes(attention.width)));
  }

  Value rowOf(Value base, Value token, Value head) const {
    Value line = code.add(code.mul(token, attention.queryHeads), head);
    return code.at(base, code.mul(line, attention.width * 4));
  }

  /// Scales and rounds the queries of `tokens` tokens from `token` on, of one group of heads.
  void emitQueries(Value token, Value tokens, Value head, Value to) const {
    Value factor = code.splat(16, attention.scale * (attention.softcap ? 2 * kLog2E / attention.softcap : kLog2E));
    bool isPaired = multipliesPairs(kernel.isa, attention.isHalf);
    code.loop(code.num(0), tokens, 1, [&](Value t) {
      Value from = rowOf(attention.query, code.add(token, t), code.mul(head, groupSize()));
      int64_t bytes = groupSize() * attention.width * 4;
      Value into = code.at(to, code.mul(t, isPaired ? bytes / 2 : bytes));
      code.loop(code.num(0), code.num(bytes), 64, [&](Value at) {
        Value query = code.mulF(code.load(code.vec(16, code.f32), code.at(from, at)), factor);
        if (isPaired)
          return code.store(kernel.isa.toBf16(code, query), code.at(into, code.div(at, 2)));
        code.store(attention.isHalf ? query : roundToBf16(code, kernel.isa, query), code.at(into, at));
      });
    });
  }

  /// A partition of one head of one sequence, and the position from which it is looked at.
  struct Part {
    Value sequence, partition, head, position;
  };

  /// Keys that a token at the part's position sees, from the partition's first on.
  Value limitOf(const Part &part) const {
    return code.sub(code.add(part.position, 1), code.mul(part.partition, kPartition));
  }

  /// Where a token at `position` begins to see keys.
  Value firstPartition(Value position) const {
    Value none = code.num(0);
    if (!attention.window)
      return none;
    return code.div(code.max(code.sub(position, code.num(attention.window - 1)), none), kPartition);
  }

  Value keysOf(const Part &part) const { return cacheOf(attention.keySlot, part.sequence, part.partition, part.head); }

  /// What comes after a part of one token: its keys from the first tile on in which the token sees one, and their
  /// limit.
  std::pair<Value, Value> keysAhead(const Part &part) const {
    Value keys = keysOf(part), limit = limitOf(part);
    if (!attention.window)
      return {keys, limit};
    Value unseen = code.max(code.sub(limit, code.num(attention.window)), code.num(0));
    Value skipped = code.mul(code.div(unseen, kKeyTile), kKeyTile);
    limit = code.sub(code.min(limit, code.num(kPartition)), skipped);
    return {code.at(keys, code.mul(skipped, attention.width * 2)), limit};
  }

  /// The next partition's keys, or these if tokens before `end` see no more.
  Value keysBehind(const Part &part, Value keys, Value end) const {
    Value following = code.add(part.partition, 1), isMore = code.less(code.mul(following, kPartition), end);
    auto behind = [&] { return Values{keysOf({part.sequence, following, part.head, part.position})}; };
    return code.choose(isMore, behind, [&] { return Values{keys}; }, code.ptr)[0];
  }

  int64_t tileOf(bool isOne) const { return queryTile(kernel.isa, groupSize(), isOne); }

  /// `tokens` tokens, of which the first is at the part's position. Where `next` is given it is one token, and what
  /// comes after this part.
  void emitPartitionOf(Value scratch, const Part &part, Value tokens, Value isFirst, const Part *next) const {
    bool isOne = next != nullptr;
    PartitionShape shape{attention.width,  groupSize(),      tileOf(isOne),    isOne,
                         attention.isHalf, attention.window, attention.softcap};
    PartitionCall call;
    call.queries = code.at(scratch, own().queries);
    call.numQueries = code.mul(tokens, groupSize());
    call.keys = keysOf(part);
    call.values = cacheOf(attention.valueSlot, part.sequence, part.partition, part.head);
    call.limit = limitOf(part);
    call.scores = code.at(scratch, own().scores);
    call.records = code.at(scratch, own().records);
    call.lanes = code.at(scratch, own().lanes);
    call.isFirst = isFirst;
    auto behind = [&] { return keysBehind(part, call.keys, code.add(part.position, tokens)); };
    std::tie(call.next, call.nextLimit) = next ? keysAhead(*next) : std::pair(behind(), code.num(kPartition));
    emitPartition(kernel, shape, call);
  }

  void copyBytes(Value from, Value to, int64_t bytes) const {
    code.loop(code.num(0), code.num(bytes), 64,
              [&](Value at) { code.store(code.load(code.vec(16, code.f32), code.at(from, at)), code.at(to, at)); });
  }

  /// Where the float of `query` among a member's own lies.
  Value recordOf(Value scratch, Value query, bool isOne, QueryRecord::Line line) const {
    return QueryRecord{tileOf(isOne)}.floatAt(code, code.at(scratch, own().records), query, line);
  }
  Value lanesOf(Value scratch, Value query) const {
    return code.at(code.at(scratch, own().lanes), code.mul(query, attention.width * 4));
  }

  /// result = lanes / sum, of a query of `head`; its record's sum and largest score.
  void emitResult(Value head, Value largestAt, Value sumAt, Value lanesAt, Value to) const {
    Value sums = code.loadSplat(16, code.f32, sumAt);
    if (attention.sinks)
      sums = code.addF(sums, powerOfSink(head, largestAt));
    code.loop(code.num(0), code.num(attention.width * 4), 64, [&](Value at) {
      Value lanes = code.load(code.vec(16, code.f32), code.at(lanesAt, at));
      code.store(code.divF(lanes, sums), code.at(to, at));
    });
  }

  /// What a head's sink adds to a sum of powers. Far above all scores it is cut at 2^126, which leaves nothing of them.
  Value powerOfSink(Value head, Value largestAt) const {
    Value sink = code.loadSplat(16, code.f32, code.at(attention.sinks, code.mul(head, 4)));
    Value power = code.subF(code.mulF(sink, code.splat(16, kLog2E)), code.loadSplat(16, code.f32, largestAt));
    power = code.minF(power, code.splat(16, 126.0f));
    emitExp2(code, power);
    return power;
  }

  /// A state for others of a query of one token.
  void emitState(Value scratch, Value query, Value to) const {
    auto copy = [&](QueryRecord::Line line, int64_t byte) {
      code.store(code.load(code.f32, recordOf(scratch, query, /*isOne=*/true, line)), code.at(to, byte));
    };
    copy(QueryRecord::kLargest, 0);
    copy(QueryRecord::kSum, 4);
    copyBytes(lanesOf(scratch, query), code.at(to, 64), attention.width * 4);
  }

  /// `token`'s number among `tokens` from `first` on, and whether it is one of them.
  std::pair<Value, Value> within(Value token, Value first, Value tokens) const {
    Value number = code.sub(token, first);
    return {number, code.within(number, code.num(0), tokens)};
  }

  Value wantedToken(Value w) const { return code.fromIndex(frame().wanted(code.toIndex(w))); }

  /// body(row among the results, token's number) for those of `tokens` tokens from `first` on that are results.
  void forEachResult(Value first, Value tokens, llvm::function_ref<void(Value, Value)> body) const {
    if (!attention.wantedOnly)
      return code.loop(code.num(0), tokens, 1, [&](Value number) { body(code.add(first, number), number); });
    code.loop(code.num(0), code.fromIndex(frame().wantedCount()), 1, [&](Value w) {
      auto [number, isHere] = within(wantedToken(w), first, tokens);
      code.when(isHere, [&, number = number] { body(w, number); });
    });
  }

  /// Whether any of `tokens` tokens from `first` on is a result.
  Value hasResults(Value first, Value tokens) const {
    Value none = code.num(0), wanted = code.fromIndex(frame().wantedCount());
    Value found = code.loop(none, wanted, 1, none, [&](Value w, ValueRange known) {
      return Values{code.select(within(wantedToken(w), first, tokens).second, code.num(1), known[0])};
    })[0];
    return code.equal(found, 1);
  }

  /// One token: whoever computes the only partition of a head has its result.
  void emitAlone() const {
    Value zero = code.num(0), position = code.fromIndex(frame().position(code.toIndex(zero)));
    Value first = firstPartition(position), partitions = code.sub(code.add(code.div(position, kPartition), 1), first);
    Value running = code.at(kernel.scratch, kRoundPartitions * attention.queryHeads * stateBytes());
    Value scratch = code.at(code.at(running, attention.queryHeads * stateBytes()), code.mul(kernel.member, own().end));
    code.when(
        code.equal(partitions, 1),
        [&] {
          auto [begin, end] = kernel.share(code.num(attention.heads));
          code.loop(begin, end, 1, [&](Value head) {
            Part next{zero, first, code.min(code.add(head, 1), code.sub(end, code.num(1))), position};
            emitTile(scratch, zero, zero, code.num(1), position, head, &next);
          });
        },
        [&] { emitRounds(scratch, running, position, first, partitions); });
  }

  /// One token: `partitions` partitions from `first` on and their heads are shared out in the order of memory, in
  /// rounds; then each head is merged in order by one member.
  void emitRounds(Value scratch, Value running, Value position, Value first, Value partitions) const {
    Value zero = code.num(0), shared = kernel.scratch;
    auto [firstHead, lastHead] = kernel.share(code.num(attention.queryHeads));
    auto runningOf = [&](Value head) { return code.at(running, code.mul(head, stateBytes())); };
    code.loop(zero, partitions, kRoundPartitions, [&](Value round) {
      Value count = code.min(code.sub(partitions, round), code.num(kRoundPartitions));
      auto [begin, end] = kernel.share(code.mul(count, attention.heads));
      auto partOf = [&](Value task) {
        Value partition = code.div(task, attention.heads), number = code.add(code.add(round, partition), first);
        return Part{zero, number, code.sub(task, code.mul(partition, attention.heads)), position};
      };
      code.loop(begin, end, 1, [&](Value task) {
        Part part = partOf(task), next = partOf(code.min(code.add(task, 1), code.sub(end, code.num(1))));
        emitQueries(zero, code.num(1), part.head, code.at(scratch, own().queries));
        emitPartitionOf(scratch, part, code.num(1), /*isFirst=*/code.equal(zero, 0), &next);
        Value to = code.at(shared, code.mul(task, groupSize() * stateBytes()));
        for (int64_t query = 0; query < groupSize(); ++query)
          emitState(scratch, code.num(query), code.at(to, query * stateBytes()));
      });
      kernel.barrier();
      auto stateOf = [&](Value partition, Value head) {
        Value group = code.div(head, groupSize()), within = code.rem(head, groupSize());
        Value task = code.add(code.mul(partition, attention.heads), group);
        return code.at(shared, code.mul(code.add(code.mul(task, groupSize()), within), stateBytes()));
      };
      Value isFirst = code.equal(round, 0);
      code.when(isFirst, [&] {
        code.loop(firstHead, lastHead, 1,
                  [&](Value head) { copyBytes(stateOf(zero, head), runningOf(head), stateBytes()); });
      });
      // Heads side by side: a head's merges wait for one another.
      code.loop(code.select(isFirst, code.num(1), zero), count, 1, [&](Value partition) {
        code.loop(firstHead, lastHead, 1,
                  [&](Value head) { emitMerge(kernel, attention.width, runningOf(head), stateOf(partition, head)); });
      });
      // The next round overwrites the states that others may still be merging.
      code.when(code.less(code.add(round, kRoundPartitions), partitions), [&] { kernel.barrier(); });
    });
    code.loop(firstHead, lastHead, 1, [&](Value head) {
      Value state = runningOf(head);
      emitResult(head, state, code.at(state, 4), code.at(state, 64), rowOf(attention.result, zero, head));
    });
  }

  /// `tokens` tokens of a sequence from `token` on, of which the first is at `position`, and one head of the cache.
  /// Where `next` is given it is one token, and the first part of what comes after.
  void emitTile(Value scratch, Value sequence, Value token, Value tokens, Value position, Value head,
                const Part *next) const {
    Value zero = code.num(0);
    emitQueries(token, tokens, head, code.at(scratch, own().queries));
    Value begin = firstPartition(position);
    Value end = code.add(code.div(code.add(position, code.sub(tokens, code.num(1))), kPartition), 1);
    code.loop(begin, end, 1, [&](Value partition) {
      std::optional<Part> after;
      if (next) {
        Value following = code.add(partition, 1), isLast = code.equal(code.sub(end, following), 0);
        after = {code.select(isLast, next->sequence, sequence), code.select(isLast, next->partition, following),
                 code.select(isLast, next->head, head), code.select(isLast, next->position, position)};
      }
      emitPartitionOf(scratch, {sequence, partition, head, position}, tokens, code.equal(code.sub(partition, begin), 0),
                      after ? &*after : nullptr);
    });
    forEachResult(token, tokens, [&](Value row, Value number) {
      code.loop(zero, code.num(groupSize()), 1, [&](Value within) {
        Value query = code.add(code.mul(number, groupSize()), within);
        Value queryHead = code.add(code.mul(head, groupSize()), within);
        auto lineAt = [&](QueryRecord::Line line) { return recordOf(scratch, query, next != nullptr, line); };
        emitResult(queryHead, lineAt(QueryRecord::kLargest), lineAt(QueryRecord::kSum), lanesOf(scratch, query),
                   rowOf(attention.result, row, queryHead));
      });
    });
  }

  /// Sequences of one token: they and the cache's heads are dealt out in turn.
  void emitSingles(Value scratch) const {
    Value heads = code.num(attention.heads), zero = code.num(0), one = code.num(1);
    Value tasks = code.mul(code.fromIndex(frame().sequences()), attention.heads);
    auto partOf = [&](Value task) {
      Value sequence = code.div(task, heads);
      Value position = code.fromIndex(frame().start(code.toIndex(sequence)));
      return Part{sequence, firstPartition(position), code.sub(task, code.mul(sequence, heads)), position};
    };
    Value turns = code.div(code.add(code.sub(tasks, kernel.member), code.sub(kernel.members, one)), kernel.members);
    code.loop(zero, turns, 1, [&](Value turn) {
      Value task = code.add(code.mul(turn, kernel.members), kernel.member);
      Part part = partOf(task), next = partOf(code.min(code.add(task, kernel.members), code.sub(tasks, one)));
      Value b = code.toIndex(part.sequence), token = code.fromIndex(frame().first(b));
      Value isOne = code.equal(code.fromIndex(frame().count(b)), 1);
      code.when(attention.wantedOnly ? code.andI(isOne, hasResults(token, one)) : isOne,
                [&] { emitTile(scratch, part.sequence, token, one, part.position, part.head, &next); });
    });
  }

  /// Tokens of one sequence, and one head of the cache.
  struct Tile {
    Value sequence, token, tokens, position, head;
  };

  /// Tiles of sequences of more than one token, each sequence's last first, which sees the most keys: what is left at
  /// the end is small. Those of a part's rows are dealt out in turn to the members that computed their queries:
  /// `carried` goes through `body` for each that is the member's for whom the part is.
  Values forTiles(const RowParts &of, ValueRange carried,
                  const std::function<Values(const Tile &, ValueRange)> &body) const {
    Value zero = code.num(0), heads = code.num(attention.heads);
    int64_t size = tileTokens(groupSize());
    CallFrame call = frame();
    Values all{zero}; // and the number of the tile
    all.append(carried.begin(), carried.end());
    all = code.loop(zero, code.fromIndex(call.sequences()), 1, all, [&](Value sequence, ValueRange all) {
      Value b = code.toIndex(sequence), count = code.fromIndex(call.count(b));
      Value first = code.fromIndex(call.first(b)), start = code.fromIndex(call.start(b));
      Value tokensHere = code.select(code.equal(count, 1), zero, count);
      Value last = code.mul(code.div(code.sub(count, code.num(1)), size), size);
      return code.loop(zero, tokensHere, size, all, [&](Value before, ValueRange all) {
        Value offset = code.sub(last, before);
        Value tokens = code.min(code.sub(count, offset), code.num(size)), token = code.add(first, offset);
        Value isHere = of.has(token);
        return code.loop(zero, heads, 1, all, [&](Value head, ValueRange all) {
          Value turn = code.builder().create<arith::RemUIOp>(all[0], of.members);
          Values carried(all.drop_front());
          carried = code.choose(
              code.andI(isHere, code.equal(code.sub(turn, of.member), 0)),
              [&] { return body({sequence, token, tokens, code.add(start, offset), head}, carried); },
              [&] { return carried; }, ValueRange(carried).getTypes());
          carried.insert(carried.begin(), code.add(all[0], 1));
          return carried;
        });
      });
    });
    return Values(all.begin() + 1, all.end());
  }

  /// The rest: the tiles of each member, who are helped by those that are done with theirs.
  void emitTiles(const Tasks &tasks, Value scratch) const {
    tasks.forOwners([&](Value owner) {
      RowParts of(code, code.fromIndex(frame().tokens()), owner, kernel.members);
      forTiles(of, tasks.begin(owner), [&](const Tile &tile, ValueRange carried) {
        return tasks.next(owner, carried, [&] {
          auto compute = [&] {
            emitTile(scratch, tile.sequence, tile.token, tile.tokens, tile.position, tile.head, nullptr);
          };
          attention.wantedOnly ? code.when(hasResults(tile.token, tile.tokens), compute) : compute();
        });
      });
    });
  }

  void emitMany() const {
    int64_t stride = Tasks::kBytes + own().end;
    Value scratch = code.at(code.at(kernel.scratch, code.mul(kernel.member, stride)), Tasks::kBytes);
    Tasks tasks(kernel, kernel.scratch, stride, code.less(code.num(1), kernel.members));
    CallFrame call = frame();
    RowParts of(code, code.fromIndex(call.tokens()), kernel.member, kernel.members);
    tasks.open(
        forTiles(of, {code.num(0)}, [&](const Tile &, ValueRange count) { return Values{code.add(count[0], 1)}; })[0]);
    Value one = code.num(1), sequences = code.fromIndex(call.sequences());
    Value longest = code.loop(code.num(0), sequences, 1, one, [&](Value sequence, ValueRange known) {
      return Values{code.max(known[0], code.fromIndex(call.count(code.toIndex(sequence))))};
    })[0];
    Value hasTiles = code.less(one, longest);
    code.when(hasTiles, [&] { kernel.barrier(); });
    emitSingles(scratch);
    code.when(hasTiles, [&] { emitTiles(tasks, scratch); });
  }
};

} // namespace

LinearScratch attentionScratch(int64_t queryHeads, int64_t heads, int64_t width, std::optional<int64_t> rows) {
  int64_t groupSize = queryHeads / heads;
  bool isAlone = rows == 1;
  int64_t own = (isAlone ? 0 : Tasks::kBytes) + ownScratch(roomForQueries(groupSize, isAlone), width).end;
  int64_t shared = isAlone ? (kRoundPartitions + 1) * queryHeads * attentionStateBytes(width) : 0;
  return {shared, 0, own};
}

void emitAttention(const Kernel &kernel, const Attention &attention) {
  Emitter emitter{kernel, attention};
  if (kernel.rows != 1)
    return emitter.emitMany();
  if (!attention.wantedOnly)
    return emitter.emitAlone();
  kernel.code.when(emitter.hasResults(kernel.code.num(0), kernel.code.num(1)), [&] { emitter.emitAlone(); });
}

} // namespace kvasir::cpu
