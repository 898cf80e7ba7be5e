// RUN: kvasir-opt %s --share-among-team --canonicalize | FileCheck %s
// Members say in their cells what they are about to do: each kernel, and each run of what member 0 does alone. Rows of
// one op are one step; iterations over layers pass their steps again. What has no label is no step.

// CHECK: module attributes {kvasir.steps = [
// CHECK-SAME: {kernel = "", ops = [{at = "token_embd", op = "lm.embedding"}]},
// CHECK-SAME: {kernel = "cpu.linear", ops = [{at = "up", op = "lm.linear"}, {at = "act", op = "lm.swiglu"}]},
// CHECK-SAME: {kernel = "", ops = [{at = "norm", op = "lm.rms_norm"}]},
// CHECK-SAME: {kernel = "", ops = [{at = "output", op = "lm.linear"}]}]} {

// CHECK-LABEL: func.func @forward(
// CHECK-DAG: [[ONE:%.*]] = arith.constant 1 : i32
// CHECK-DAG: [[TWO:%.*]] = arith.constant 2 : i32
// CHECK-DAG: [[THREE:%.*]] = arith.constant 3 : i32
// CHECK-DAG: [[FOUR:%.*]] = arith.constant 4 : i32
// CHECK-DAG: [[BYTES:%.*]] = arith.constant 128 : index
// CHECK: [[OFFSET:%.*]] = arith.muli %arg1, [[BYTES]] : index
// CHECK: [[CELL:%.*]] = llvm.getelementptr {{%.*}}[{{%.*}}] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: scf.if
// CHECK: llvm.store [[ONE]], [[CELL]] : i32, !llvm.ptr
// CHECK: [[PASSES:%.*]] = llvm.getelementptr [[CELL]][4]
// CHECK: [[COUNT:%.*]] = llvm.load [[PASSES]]
// CHECK: [[NEXT:%.*]] = arith.addi [[COUNT]], [[ONE]]
// CHECK: llvm.store [[NEXT]], [[PASSES]]
// CHECK: scf.if
// CHECK: memref.store
// CHECK: scf.for
// CHECK: llvm.store [[TWO]], [[CELL]]
// CHECK: func.call @cpu.linear.0
// CHECK: llvm.store [[THREE]], [[CELL]]
// CHECK: linalg.copy
// A long loop of one op's rows.
// CHECK: llvm.store [[FOUR]], [[CELL]]
// CHECK: scf.for
// CHECK-NOT: llvm.store {{.*}}, [[CELL]]
// What is left of an op in another place is the same step, which was begun before.
// CHECK: llvm.store [[ONE]], [[CELL]]
// CHECK-NEXT: arith.cmpi
// CHECK-NOT: llvm.store
// CHECK: return

#embed = loc(fused<[{op = "lm.embedding", at = "token_embd"}]>["token_embd"])
#up = loc(fused<[{op = "lm.linear", at = "up"}, {op = "lm.swiglu", at = "act"}]>["up"])
#norm = loc(fused<[{op = "lm.rms_norm", at = "norm"}]>["norm"])
#output = loc(fused<[{op = "lm.linear", at = "output"}]>["output"])
#none = loc("nothing")

func.func @forward(%call: !llvm.ptr, %member: index, %members: index, %x: memref<9x9xf32>, %y: memref<9x9xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c9 = arith.constant 9 : index
  %f = arith.constant 1.0 : f32
  memref.store %f, %x[%c0, %c0] : memref<9x9xf32> loc(#embed)
  scf.for %layer = %c0 to %c9 step %c1 {
    func.call @cpu.linear.0(%x) : (memref<9x9xf32>) -> () loc(#up)
    linalg.copy ins(%x : memref<9x9xf32>) outs(%y : memref<9x9xf32>) loc(#norm)
  }
  scf.for %i = %c0 to %c9 step %c1 {
    scf.for %j = %c0 to %c9 step %c1 {
      scf.for %k = %c0 to %c9 step %c1 {
        memref.store %f, %x[%j, %k] : memref<9x9xf32> loc(#output)
      }
    }
  }
  memref.store %f, %x[%c1, %c0] : memref<9x9xf32> loc(#embed)
  memref.store %f, %y[%c0, %c0] : memref<9x9xf32> loc(#none)
  return
}
func.func private @cpu.linear.0(memref<9x9xf32>) attributes {kvasir.kernel}
