// RUN: kvasir-opt %s --outline-parts=fewest=1 | FileCheck %s
// RUN: kvasir-opt %s --outline-parts | FileCheck %s --check-prefix=FEW

// What member 0 does alone and holds a loop is a function of what it uses; constants are made in it.
// CHECK-LABEL: func.func @forward
// CHECK: scf.if
// CHECK-NEXT: call @forward.part.0(%arg3, %{{.*}}) : (memref<?xf32>, index) -> ()
// CHECK-NEXT: }
// What holds none stays.
// CHECK: scf.if
// CHECK-NEXT: memref.store
// CHECK: func.func private @forward.part.0(%arg0: memref<?xf32>, %arg1: index) attributes {passthrough = ["noinline"]}
// CHECK-DAG: arith.constant 0 : index
// CHECK-DAG: arith.constant 1 : index
// CHECK: scf.for
// CHECK: return

// FEW-NOT: call
func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %x: memref<?xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %number = arith.constant 1.0 : f32
  %extent = memref.dim %x, %zero : memref<?xf32>
  %first = arith.cmpi eq, %member, %zero : index
  scf.if %first {
    scf.for %i = %zero to %extent step %one {
      memref.store %number, %x[%i] : memref<?xf32>
    }
  } {kvasir.alone}
  scf.if %first {
    memref.store %number, %x[%zero] : memref<?xf32>
  } {kvasir.alone}
  return
}
