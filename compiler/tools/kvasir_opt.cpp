// SPDX-License-Identifier: MIT
#include "compiler/passes/registry.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  kvasir::registerDialects(registry);
  kvasir::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "kvasir-opt: runs passes on a program\n", registry));
}
