// RUN: kvasir-opt %s --emit-plugin --verify-diagnostics --split-input-file | FileCheck %s
// One function, one cache, one variant, without a form for single tokens.

// CHECK-DAG: llvm.mlir.global internal constant @kvasir_is_register("\00")
// CHECK-DAG: llvm.mlir.global internal constant @kvasir.forward.in.ids.extents(dense<-1> : tensor<1xi64>)
// CHECK-DAG: llvm.mlir.global internal constant @kvasir.forward.out.logits.extents(dense<[-2, 8]> : tensor<2xi64>)
// CHECK-DAG: llvm.mlir.global internal constant @kvasir.forward.writes("\01")
// CHECK-DAG: llvm.mlir.global internal constant @kvasir.general.any()
// CHECK-DAG: llvm.mlir.addressof @forward.any : !llvm.ptr
// CHECK-DAG: llvm.mlir.addressof @forward.scratch.any : !llvm.ptr
// CHECK-DAG: llvm.mlir.global internal constant @kvasir.single.any()
// CHECK-DAG: llvm.mlir.addressof @kvasir_prepare : !llvm.ptr
// CHECK-DAG: llvm.mlir.global external hidden constant @kvasir_the_program()
// CHECK: llvm.mlir.global external hidden constant @kvasir_note("NOTE") {{.*}}section = ".note.kvasir"
module attributes {kvasir.note = "NOTE", kvasir.description = "{\22format\22: 1, \22model\22: {\22name\22: \22plain\22, \22architecture\22: \22sum\22, \22context\22: 1024, \22vocabulary\22: 8, \22extents\22: {}}, \22backend\22: \22by hand\22, \22verified\22: false, \22numerics\22: {\22id\22: \22f32\22, \22invariant\22: true, \22activations\22: \22exact\22}, \22variants\22: [], \22slots\22: [{\22name\22: \22history\22, \22kind\22: \22cache\22, \22layers\22: 1, \22heads\22: 1, \22width\22: 1, \22layout\22: {\22size_bytes\22: 512, \22planes\22: [{\22role\22: \22value\22, \22element\22: \22f32\22, \22offset_bits\22: 0, \22digits\22: [[\22token\22, 128, 32]]}]}}], \22functions\22: [{\22name\22: \22forward\22, \22max_tokens\22: 64, \22inputs\22: [{\22name\22: \22ids\22, \22element\22: \22i32\22, \22shape\22: [\22T\22], \22role\22: \22ids\22}], \22outputs\22: [{\22name\22: \22logits\22, \22element\22: \22f32\22, \22shape\22: [\22W\22, 8], \22role\22: \22logits\22}]}], \22waivers\22: []}"} {
  llvm.func @forward.any(!llvm.ptr, i64, i64) -> i32 attributes {kvasir.function = "forward", kvasir.variant = "any", kvasir.form = "general", kvasir.scratch = @forward.scratch.any, kvasir.writes = array<i64: 0>}
  llvm.func @forward.scratch.any(!llvm.ptr, i64) -> i64
}

// -----

// expected-error @+1 {{expected kvasir.description and kvasir.note}}
module {}
