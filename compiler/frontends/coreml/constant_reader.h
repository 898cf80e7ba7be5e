// SPDX-License-Identifier: MIT
#ifndef KVASIR_FRONTENDS_COREML_CONSTANT_READER_H
#define KVASIR_FRONTENDS_COREML_CONSTANT_READER_H

#include "compiler/frontends/coreml/package.h"

namespace kvasir::coreml {

namespace wire {
class TensorType;
class Value;
class ValueType;
} // namespace wire

/// Errors: an element type that has no number here, a rank that is not that of the dims, a size beyond 63 bits.
Result<TensorType> readTensorType(const wire::TensorType &type);

/// Errors: as above; tuples and dictionaries.
Result<Type> readType(const wire::ValueType &type);

/// Errors: as above; a value that is no tensor, whose elements are stored in another form than their type's, or that
/// are not as many as its dims say; what the weight file says.
Result<Constant> readConstant(const wire::Value &value, ConstantStore &store);

} // namespace kvasir::coreml

#endif
