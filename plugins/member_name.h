// SPDX-License-Identifier: MIT
// What the members of a family of tensors are called.
#ifndef KVASIR_PLUGINS_MEMBER_NAME_H
#define KVASIR_PLUGINS_MEMBER_NAME_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

/// The name of a family's member. In `pattern` {} stands for its number, {2,5,8} for the number at its place in the
/// list: member 1 of "blk.{2,5,8}.ffn_down.weight" is blk.5.ffn_down.weight. A pattern without either, and one whose
/// list has no such member, is the name.
std::string memberName(std::string_view pattern, uint64_t member);

/// `pattern`, which has {}, for these numbers only.
std::string patternOfMembers(std::string_view pattern, const std::vector<uint64_t> &numbers);

/// How many numbers the pattern lists; nothing where it lists none.
std::optional<uint64_t> numListed(std::string_view pattern);

/// `pattern` with `replacement` in the place of {} or of the list.
std::string withoutNumbers(std::string_view pattern, std::string_view replacement);

} // namespace kvasir

#endif
