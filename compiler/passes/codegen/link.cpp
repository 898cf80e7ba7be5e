// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/link.h"

#include "compiler/passes/codegen/freestanding/archive.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"

#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace kvasir;

namespace {
/// Bytes under a path, without a file system.
class MemoryFile {
public:
  static llvm::Expected<MemoryFile> make(llvm::ArrayRef<char> bytes) {
    MemoryFile file(memfd_create("kvasir-object", MFD_CLOEXEC));
    llvm::raw_fd_ostream stream(file.fd, /*shouldClose=*/false);
    stream << llvm::StringRef(bytes.data(), bytes.size());
    stream.flush();
    if (file.fd < 0 || stream.has_error()) {
      std::error_code error = stream.error();
      stream.clear_error();
      return llvm::createStringError(error, "no memory for the linker: %s", error.message().c_str());
    }
    return file;
  }
  MemoryFile(MemoryFile &&other) : fd(std::exchange(other.fd, -1)) {}
  ~MemoryFile() {
    if (fd >= 0)
      close(fd);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }

private:
  explicit MemoryFile(int fd) : fd(fd) {}
  int fd;
};

/// The one line that a person needs of what lld printed.
llvm::Error explain(llvm::StringRef output) {
  constexpr llvm::StringLiteral kUndefined = "undefined symbol: ";
  if (size_t at = output.find(kUndefined); at != llvm::StringRef::npos) {
    llvm::StringRef name = output.drop_front(at + kUndefined.size()).take_until([](char c) { return c == '\n'; });
    return llvm::createStringError("the generated code needs '%s', which a plugin can't import", name.str().c_str());
  }
  llvm::StringRef line = output.split('\n').first;
  return llvm::createStringError("link: %s", line.rsplit("error: ").second.str().c_str());
}

std::vector<std::string> makeArguments(llvm::ArrayRef<MemoryFile> inputs, llvm::StringRef outputPath) {
  std::vector<std::string> arguments{"ld.lld",
                                     "-shared",
                                     "--no-undefined",
                                     "-Bsymbolic",
                                     "-z",
                                     "relro",
                                     "-z",
                                     "now",
                                     "-z",
                                     "noexecstack",
                                     "-z",
                                     "separate-code",
                                     "-z",
                                     "max-page-size=4096",
                                     "--hash-style=gnu",
                                     "--build-id=sha1",
                                     "--gc-sections",
                                     "--pack-dyn-relocs=none",
                                     "--undefined=kvasir_plugin",
                                     "-o",
                                     outputPath.str()};
  for (const MemoryFile &input : inputs)
    arguments.push_back(input.path());
  return arguments;
}

llvm::Expected<llvm::SmallVector<char, 0>> readWhole(llvm::StringRef path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(), "link: %s", buffer.getError().message().c_str());
  return llvm::SmallVector<char, 0>((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
}
} // namespace

llvm::Expected<llvm::SmallVector<char, 0>> kvasir::linkPlugin(llvm::ArrayRef<llvm::SmallVector<char, 0>> objects,
                                                              llvm::StringRef path) {
  std::vector<MemoryFile> inputs;
  std::vector<llvm::ArrayRef<char>> contents(objects.begin(), objects.end());
  contents.push_back(freestandingArchive());
  for (llvm::ArrayRef<char> bytes : contents) {
    llvm::Expected<MemoryFile> file = MemoryFile::make(bytes);
    if (!file)
      return file.takeError();
    inputs.push_back(std::move(*file));
  }
  llvm::SmallString<128> imagePath;
  if (std::error_code error = llvm::sys::fs::createUniqueFile(path + ".image-%%%%%%%%", imagePath))
    return llvm::createStringError(error, "cannot write '%s': %s", path.str().c_str(), error.message().c_str());
  llvm::FileRemover remover(imagePath);
  llvm::sys::RemoveFileOnSignal(imagePath);
  std::vector<std::string> arguments = makeArguments(inputs, imagePath);
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string output;
  llvm::raw_string_ostream stream(output);
  lld::Result result = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  llvm::sys::DontRemoveFileOnSignal(imagePath);
  if (result.retCode)
    return explain(output);
  return readWhole(imagePath);
}
