// SPDX-License-Identifier: MIT
#include "plugins/elf_image.h"

#include "kvasir/manifest.h"
#include "plugins/file_io.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace kvasir {
namespace {

constexpr size_t kMaxSegments = 32;
constexpr uint64_t kMaxNoteBytes = 2 << 20;
constexpr uint64_t kMaxDynamicEntries = 512;
constexpr uint64_t kMaxRelocations = 1 << 20;
constexpr uint64_t kMaxMemoryBytes = 1 << 30;
constexpr uint64_t kPageBytes = 4096;

std::string hexNumber(uint64_t number) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do
    text.insert(text.begin(), kDigits[number & 15]);
  while (number >>= 4);
  return "0x" + text;
}

template <typename T> bool readAt(int fd, uint64_t offset, T *values, size_t count) {
  return readFully(fd, offset, {reinterpret_cast<uint8_t *>(values), count * sizeof(T)});
}

/// Dynamic tags with a word of their own, and the flags that DT_FLAGS and DT_FLAGS_1 may have.
struct TagRefusal {
  int64_t tag;
  const char *why;
};
constexpr const char *kLinkageTable =
    "calls through a procedure linkage table (DT_JMPREL); make its functions hidden or static, and call no other's";
constexpr TagRefusal kRefusedTags[] = {
    {DT_NEEDED, "needs another library (DT_NEEDED); a plugin needs none"},
    {DT_INIT, "has code that runs at load (DT_INIT)"},
    {DT_FINI, "has code that runs at unload (DT_FINI)"},
    {DT_INIT_ARRAY, "has code that runs at load (DT_INIT_ARRAY)"},
    {DT_FINI_ARRAY, "has code that runs at unload (DT_FINI_ARRAY)"},
    {DT_PREINIT_ARRAY, "has code that runs at load (DT_PREINIT_ARRAY)"},
    {DT_TEXTREL, "has text relocations (DT_TEXTREL)"},
    {DT_RPATH, "has a search path (DT_RPATH)"},
    {DT_RUNPATH, "has a search path (DT_RUNPATH)"},
    {DT_AUDIT, "has an audit entry (DT_AUDIT)"},
    {DT_DEPAUDIT, "has an audit entry (DT_DEPAUDIT)"},
    {DT_FILTER, "is a filter for another library (DT_FILTER)"},
    {DT_AUXILIARY, "is a filter for another library (DT_AUXILIARY)"},
    {DT_SONAME, "has a library name (DT_SONAME), by which ld.so could take it for another; link it without -soname"},
    {DT_REL, "has relocations of a kind that is not allowed (DT_REL)"},
    {DT_RELR, "has relocations of a kind that is not allowed (DT_RELR); link it with -z nopack-relative-relocs"},
    {DT_PLTRELSZ, kLinkageTable},
    {DT_PLTREL, kLinkageTable},
    {DT_JMPREL, kLinkageTable},
    {DT_VERNEED, "needs versions of another library (DT_VERNEED)"},
};
// An unknown tag could mean anything to the ld.so of tomorrow.
constexpr int64_t kKnownTags[] = {DT_NULL,     DT_HASH,     DT_GNU_HASH, DT_STRTAB,  DT_STRSZ, DT_SYMTAB,
                                  DT_SYMENT,   DT_RELA,     DT_RELASZ,   DT_RELAENT, DT_DEBUG, DT_RELACOUNT,
                                  DT_SYMBOLIC, DT_BIND_NOW, DT_FLAGS_1,  DT_FLAGS,   DT_PLTGOT};
constexpr uint64_t kKnownFlags = DF_SYMBOLIC | DF_BIND_NOW;
constexpr uint64_t kKnownFlags1 = DF_1_NOW;

Status checkTag(const Elf64_Dyn &entry) {
  for (const TagRefusal &refusal : kRefusedTags)
    if (entry.d_tag == refusal.tag)
      return Failure{refusal.why};
  if (std::find(std::begin(kKnownTags), std::end(kKnownTags), entry.d_tag) == std::end(kKnownTags))
    return Failure{"has a dynamic entry that is not allowed (tag " + hexNumber(uint64_t(entry.d_tag)) + ")"};
  // NODELETE would keep the image, and the name by which it was opened, beyond its descriptor.
  const uint64_t strange = entry.d_tag == DT_FLAGS     ? entry.d_un.d_val & ~kKnownFlags
                           : entry.d_tag == DT_FLAGS_1 ? entry.d_un.d_val & ~kKnownFlags1
                                                       : 0;
  if (strange)
    return Failure{"has loader flags that are not allowed (" + hexNumber(strange) + ")"};
  return Done{};
}

uint64_t valueOf(const std::vector<Elf64_Dyn> &table, int64_t tag, uint64_t absent = 0) {
  for (const Elf64_Dyn &entry : table)
    if (entry.d_tag == tag)
      return entry.d_un.d_val;
  return absent;
}

} // namespace

Result<ElfImage> ElfImage::open(int fd, uint64_t size) {
  ElfImage image(fd, size);
  if (Status status = image.readHeaders(); !status)
    return Failure{status.message()};
  if (Status status = image.checkSegments(); !status)
    return Failure{status.message()};
  return image;
}

Status ElfImage::readHeaders() {
  Elf64_Ehdr header;
  if (size < sizeof header || !readAt(fd, 0, &header, 1))
    return Failure{"is " + std::to_string(size) + " bytes long, too short for a plugin"};
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    std::string bytes;
    for (int i = 0; i < SELFMAG; ++i)
      bytes += " " + hexNumber(header.e_ident[i]).substr(2);
    return Failure{"is no ELF file (it begins" + bytes + ")"};
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    return Failure{"is no 64-bit little-endian shared object (class " + std::to_string(header.e_ident[EI_CLASS]) +
                   ", data " + std::to_string(header.e_ident[EI_DATA]) + ", type " + std::to_string(header.e_type) +
                   ")"};
  if (header.e_machine != EM_X86_64)
    return Failure{"is for machine " + std::to_string(header.e_machine) + ", this host is x86-64 (" +
                   std::to_string(EM_X86_64) + ")"};
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum > kMaxSegments)
    return Failure{"has " + std::to_string(header.e_phnum) + " program headers of " +
                   std::to_string(header.e_phentsize) + " bytes, expected 1 to " + std::to_string(kMaxSegments) +
                   " of " + std::to_string(sizeof(Elf64_Phdr))};
  segments.resize(header.e_phnum);
  if (!liesInside(header.e_phoff, segments.size() * sizeof(Elf64_Phdr), size) ||
      !readAt(fd, header.e_phoff, segments.data(), segments.size()))
    return Failure{"has its program headers outside the file: it is cut short"};
  return Done{};
}

Status ElfImage::checkLoaded(size_t index, uint64_t &nextAddress) const {
  const Elf64_Phdr &segment = segments[index];
  const std::string name = "segment " + std::to_string(index);
  if (!liesInside(segment.p_offset, segment.p_filesz, size))
    return Failure{name + " ends after the file: it is cut short"};
  if (segment.p_memsz < segment.p_filesz || !liesInside(segment.p_vaddr, segment.p_memsz, kMaxMemoryBytes))
    return Failure{name + " asks for " + std::to_string(segment.p_memsz) + " bytes of memory at " +
                   hexNumber(segment.p_vaddr) + ", not in 1 GiB or less than its file part"};
  // ld.so would map one over the other.
  if (segment.p_vaddr / kPageBytes * kPageBytes < nextAddress)
    return Failure{name + " shares a page with another"};
  nextAddress = (segment.p_vaddr + segment.p_memsz + kPageBytes - 1) / kPageBytes * kPageBytes;
  if ((segment.p_flags & PF_W) && (segment.p_flags & PF_X))
    return Failure{name + " is writable and executable"};
  const uint64_t align = segment.p_align;
  if (align < kPageBytes || (align & (align - 1)) || align > (1 << 21) ||
      (segment.p_vaddr - segment.p_offset) % align != 0)
    return Failure{name + " is misaligned"};
  return Done{};
}

Status ElfImage::checkRelro(const Elf64_Phdr &relro) const {
  for (const Elf64_Phdr &segment : segments)
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) && relro.p_vaddr >= segment.p_vaddr &&
        liesInside(relro.p_vaddr - segment.p_vaddr, relro.p_memsz,
                   (segment.p_memsz + kPageBytes - 1) / kPageBytes * kPageBytes))
      return Done{};
  return Failure{"protects memory outside its writable segments (PT_GNU_RELRO)"};
}

/// What ld.so or the unwinder reads at its address must be what we read at its offset.
Status ElfImage::checkMapped(size_t index) const {
  const Elf64_Phdr &segment = segments[index];
  const Elf64_Phdr *home = segmentOf(segment.p_vaddr, segment.p_filesz, PF_R);
  if (!home || segment.p_filesz != segment.p_memsz ||
      home->p_offset + (segment.p_vaddr - home->p_vaddr) != segment.p_offset)
    return Failure{"segment " + std::to_string(index) + " (type " + hexNumber(segment.p_type) +
                   ") does not lie in a loaded segment"};
  return Done{};
}

Status ElfImage::checkSegments() const {
  uint64_t nextAddress = 0;
  bool hasStack = false;
  for (size_t i = 0; i < segments.size(); ++i) {
    Status status = Done{};
    if (segments[i].p_type == PT_LOAD)
      status = checkLoaded(i, nextAddress);
    else if (segments[i].p_type == PT_GNU_RELRO)
      status = checkRelro(segments[i]);
    else if (segments[i].p_type == PT_INTERP)
      status = Failure{"is a program, not a plugin"};
    else if (segments[i].p_type == PT_TLS)
      status = Failure{"has thread-local storage; a plugin keeps none"};
    else if (segments[i].p_type == PT_GNU_STACK && (segments[i].p_flags & PF_X))
      status = Failure{"asks for an executable stack"};
    else if (segments[i].p_type == PT_NOTE || segments[i].p_type == PT_GNU_PROPERTY ||
             segments[i].p_type == PT_GNU_EH_FRAME || segments[i].p_type == PT_PHDR)
      status = checkMapped(i);
    if (!status)
      return status;
    hasStack |= segments[i].p_type == PT_GNU_STACK;
  }
  if (!hasStack)
    return Failure{"does not say that its stack is not executable (no PT_GNU_STACK)"};
  return Done{};
}

Result<FileRange> ElfImage::findNote() const {
  FileRange found = {};
  for (const Elf64_Phdr &segment : segments) {
    if (segment.p_type != PT_NOTE)
      continue;
    const uint64_t end = segment.p_filesz, align = segment.p_align == 8 ? 8 : 4;
    if (!liesInside(segment.p_offset, end, size) || end > kMaxNoteBytes)
      return Failure{"has a note segment outside the file, or one of more than 2 MiB"};
    for (uint64_t at = 0; at < end;) {
      Elf64_Nhdr note;
      if (!liesInside(at, sizeof note, end) || !readAt(fd, segment.p_offset + at, &note, 1))
        return Failure{"has a note that is cut short"};
      const uint64_t name = at + sizeof note, body = (name + note.n_namesz + align - 1) / align * align;
      if (!liesInside(name, note.n_namesz, end) || !liesInside(body, note.n_descsz, end))
        return Failure{"has a note that is longer than its segment"};
      at = (body + note.n_descsz + align - 1) / align * align;
      char text[sizeof KV_NOTE_NAME];
      if (note.n_type != KV_NOTE_TYPE || note.n_namesz != sizeof text ||
          !readAt(fd, segment.p_offset + name, text, sizeof text) || std::memcmp(text, KV_NOTE_NAME, sizeof text) != 0)
        continue;
      if (found.offset)
        return Failure{"has two Kvasir notes"};
      found = {segment.p_offset + body, note.n_descsz};
    }
  }
  if (!found.offset)
    return Failure{"has no Kvasir note: it is no plugin, or was stripped of it"};
  return found;
}

const Elf64_Phdr *ElfImage::segmentOf(uint64_t address, uint64_t bytes, uint32_t flags) const {
  for (const Elf64_Phdr &segment : segments)
    if (segment.p_type == PT_LOAD && (segment.p_flags & flags) == flags && address >= segment.p_vaddr &&
        liesInside(address - segment.p_vaddr, bytes, segment.p_filesz))
      return &segment;
  return nullptr;
}

Result<std::vector<Elf64_Dyn>> ElfImage::dynamicTable() const {
  auto isDynamic = [](const Elf64_Phdr &segment) { return segment.p_type == PT_DYNAMIC; };
  if (std::count_if(segments.begin(), segments.end(), isDynamic) != 1)
    return Failure{"has no dynamic table, or two"};
  const Elf64_Phdr &dynamic = *std::find_if(segments.begin(), segments.end(), isDynamic);
  // ld.so goes by the address, other tools by the offset: both must be the same bytes.
  const Elf64_Phdr *home = segmentOf(dynamic.p_vaddr, dynamic.p_filesz, PF_R);
  if (!home || dynamic.p_filesz != dynamic.p_memsz ||
      home->p_offset + (dynamic.p_vaddr - home->p_vaddr) != dynamic.p_offset)
    return Failure{"has no dynamic table inside its segments"};
  std::vector<Elf64_Dyn> table(std::min(dynamic.p_filesz / sizeof(Elf64_Dyn), kMaxDynamicEntries));
  if (!readAt(fd, dynamic.p_offset, table.data(), table.size()))
    return Failure{"has a dynamic table that can't be read"};
  auto end = std::find_if(table.begin(), table.end(), [](const Elf64_Dyn &entry) { return entry.d_tag == DT_NULL; });
  if (end == table.end())
    return Failure{"has a dynamic table without an end in its first " + std::to_string(kMaxDynamicEntries) +
                   " entries"};
  table.erase(end, table.end());
  return table;
}

Status ElfImage::checkTable(const std::vector<Elf64_Dyn> &table) const {
  for (size_t i = 0; i < table.size(); ++i) {
    if (Status status = checkTag(table[i]); !status)
      return status;
    for (size_t j = 0; j < i; ++j)
      if (table[i].d_tag == table[j].d_tag) // ld.so takes the last, others the first
        return Failure{"has two dynamic entries of tag " + hexNumber(uint64_t(table[i].d_tag))};
  }
  for (const Elf64_Dyn &entry : table)
    if (entry.d_tag == DT_SYMTAB || entry.d_tag == DT_GNU_HASH || entry.d_tag == DT_HASH)
      if (!segmentOf(entry.d_un.d_val, sizeof(Elf64_Sym), PF_R))
        return Failure{"has a symbol table outside its segments (tag " + hexNumber(uint64_t(entry.d_tag)) + ")"};
  if (!segmentOf(valueOf(table, DT_STRTAB), valueOf(table, DT_STRSZ), PF_R))
    return Failure{"has its symbols' names outside its segments"};
  if (valueOf(table, DT_RELAENT, sizeof(Elf64_Rela)) != sizeof(Elf64_Rela))
    return Failure{"has relocations of " + std::to_string(valueOf(table, DT_RELAENT)) + " bytes, expected " +
                   std::to_string(sizeof(Elf64_Rela))};
  return checkRelocations(valueOf(table, DT_RELA), valueOf(table, DT_RELASZ));
}

Status ElfImage::checkRelocations(uint64_t address, uint64_t tableSize) const {
  if (tableSize == 0)
    return Done{};
  const Elf64_Phdr *home = segmentOf(address, tableSize, PF_R);
  if (!home || tableSize % sizeof(Elf64_Rela) || tableSize / sizeof(Elf64_Rela) > kMaxRelocations)
    return Failure{"has a relocation table of " + std::to_string(tableSize) +
                   " bytes outside its segments or of a wrong size"};
  std::vector<Elf64_Rela> table(tableSize / sizeof(Elf64_Rela));
  if (!readAt(fd, home->p_offset + (address - home->p_vaddr), table.data(), table.size()))
    return Failure{"has relocations that can't be read"};
  for (size_t i = 0; i < table.size(); ++i) {
    // IRELATIVE runs code while the image is opened; relocations by symbol bind to the host.
    if (const uint64_t type = ELF64_R_TYPE(table[i].r_info); type != R_X86_64_RELATIVE)
      return Failure{"relocation " + std::to_string(i) + " has type " + std::to_string(type) +
                     ", only RELATIVE is allowed: it imports a symbol, or chooses a function at load"};
    if (!segmentOf(table[i].r_offset, 8, PF_W))
      return Failure{"relocation " + std::to_string(i) + " writes outside the writable segments"};
  }
  return Done{};
}

Status ElfImage::checkDynamic() const {
  Result<std::vector<Elf64_Dyn>> table = dynamicTable();
  if (!table)
    return Failure{table.message()};
  return checkTable(*table);
}

uint64_t ElfImage::mappedEnd() const {
  uint64_t end = 0;
  for (const Elf64_Phdr &segment : segments)
    if (segment.p_type == PT_LOAD)
      end = std::max(end, segment.p_offset + segment.p_filesz);
  return end;
}

} // namespace kvasir
