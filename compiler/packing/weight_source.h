// SPDX-License-Identifier: MIT
// Where the weights of a program come from, whatever the file's format.
#ifndef KVASIR_PACKING_WEIGHT_SOURCE_H
#define KVASIR_PACKING_WEIGHT_SOURCE_H

#include "compiler/packing/weight_form.h"
#include "plugins/result.h"

#include <span>
#include <string_view>

namespace kvasir {

/// Makes the rows of a tensor that no run of bytes holds: one that lies turned in its file, or in several parts.
class RowReader {
public:
  virtual ~RowReader() = default;

  /// Row `row` into a WeightRow of the tensor's form and columns. Called from many threads.
  virtual void read(uint64_t row, WeightRow &into) const = 0;
};

/// One tensor as it lies in a file: rows one after the other, each of the same number of bytes, unless it has a reader.
struct SourceTensor {
  std::string_view name;
  uint64_t rows; ///< 1 for a vector
  uint64_t columns;
  WeightForm form;
  std::span<const uint8_t> bytes;
  void (*unpack)(const uint8_t *rowBytes, WeightRow &row); ///< into a WeightRow of `form` and `columns`
  const RowReader *reader = nullptr;                       ///< instead of `unpack`; `bytes` are then for a digest only

  std::span<const uint8_t> rowBytes(uint64_t row) const {
    uint64_t size = bytes.size() / rows;
    return bytes.subspan(row * size, size);
  }

  void read(uint64_t row, WeightRow &into) const {
    if (reader)
      reader->read(row, into);
    else
      unpack(rowBytes(row).data(), into);
  }
};

/// A file's tensors by name. Bytes and names live as long as the source.
class WeightSource {
public:
  virtual ~WeightSource() = default;

  /// Of the name of a matrix with rows behind it, `NAME[begin:end]`, these rows: of tensors that lie in one. Of
  /// `NAME[:]` all of its rows as one.
  /// Errors: there is none of that name; its type is not read; it has fewer rows.
  virtual Result<SourceTensor> find(std::string_view name) const = 0;

  virtual bool contains(std::string_view name) const = 0;

  /// In the file's order.
  virtual std::vector<std::string_view> names() const = 0;
};

} // namespace kvasir

#endif
