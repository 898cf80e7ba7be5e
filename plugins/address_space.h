// SPDX-License-Identifier: MIT
#ifndef KVASIR_PLUGINS_ADDRESS_SPACE_H
#define KVASIR_PLUGINS_ADDRESS_SPACE_H

#include <cstdint>

namespace kvasir {

/// More bytes than any process can have, on the machines that there are: no tensor has as many elements.
inline constexpr int64_t kAddressSpaceBytes = int64_t(1) << 47;

} // namespace kvasir

#endif
