"""How lit runs the IR tests: kvasir-opt and FileCheck by short names, output outside the tree."""
import os

import lit.formats

config.name = "kvasir-ir"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = lit_config.params["out"]
for tool in ("kvasir-opt", "kvasir-compile", "kvasir-mutate"):
    config.substitutions.append((r"\b%s\b" % tool, os.path.join(lit_config.params["bin"], tool)))
for tool in ("FileCheck", "not"):
    config.substitutions.append((r"\b%s\b" % tool, os.path.join(lit_config.params["llvm"], tool)))
# A dialect without memory effects, for --load-dialect-plugin (naive/).
config.substitutions.append((r"%naive\b", lit_config.params["naive"]))
