// RUN: kvasir-opt %s --call-kernels --verify-diagnostics --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @forward
// CHECK: [[BY_ROWS:%.*]] = arith.muli {{.*}}, %c4
// CHECK: [[SOME:%.*]] = arith.addi %c64, [[BY_ROWS]]
// CHECK: [[BY_MEMBERS:%.*]] = arith.muli %arg2, %c128
// CHECK: [[BYTES:%.*]] = arith.addi [[SOME]], [[BY_MEMBERS]]
// CHECK: [[SCRATCH:%.*]] = memref.alloc([[BYTES]]) {alignment = 64 : i64} : memref<?xi8>
// CHECK: [[X:%.*]] = memref.cast %arg3 : memref<4xf32> to memref<?xf32>
// CHECK: call @kernel(%arg0, %arg1, %arg2, [[X]], [[SCRATCH]])
func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %x: memref<4xf32>) {
  lm.invoke @kernel(%x : memref<4xf32>) {scratch = array<i64: 64, 4, 128>}
  return
}

// CHECK: func.func private @kernel({{.*}}) attributes {kvasir.kernel}
func.func private @kernel(%call: !llvm.ptr, %member: index, %members: index, %x: memref<?xf32>, %scratch: memref<?xi8>)

// -----

func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %x: memref<4xf32>) {
  // expected-error @+1 {{gives 'memref<4xf32>', the kernel takes 'memref<5xf32>'}}
  lm.invoke @kernel(%x : memref<4xf32>) {scratch = array<i64: 0, 0, 0>}
  return
}
func.func private @kernel(%call: !llvm.ptr, %member: index, %members: index, %x: memref<5xf32>, %scratch: memref<?xi8>)
