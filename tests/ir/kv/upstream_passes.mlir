// RUN: kvasir-opt %s %upstream | FileCheck %s
// RUN: kvasir-opt %s --inline %upstream | FileCheck %s
// The programs that coremltools' state passes miscompile (reads and writes of one state, in every order), through every generic pass.
// E2 and E5 write a register twice and would be refused by verify-state; here only the passes are on trial.

kv.schema @m entries [@e1, @e2, @e3, @e3_branch, @e5, @e6, @legal] {
  kv.register @s layers(1) tensor<8xf32>
  kv.register @t layers(1) tensor<8xf32>
  kv.cache @k layers(1) heads(2) row(16)
}

// E1: read, write, read: the second read is not the first.
// CHECK-LABEL: func.func @e1
// CHECK:      %[[R0:.*]] = kv.get %arg1
// CHECK:      %[[S1:.*]] = kv.set %arg1
// CHECK:      %[[R1:.*]] = kv.get %[[S1]]
// CHECK:      arith.subf %[[R1]], %[[R0]]
func.func @e1(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %r0 = kv.get %s[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %v = arith.addf %r0, %x : tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %v, %b : !kv.slot<@s>, tensor<?x8xf32>
  %r1 = kv.get %s1[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %d = arith.subf %r1, %r0 : tensor<?x8xf32>
  return %d, %s1 : tensor<?x8xf32>, !kv.slot<@s>
}

// E2: a, b, a: the third write is not the first.
// CHECK-LABEL: func.func @e2
// CHECK:      %[[S1:.*]] = kv.set %arg2[%{{.*}}], %arg0
// CHECK:      %[[S2:.*]] = kv.set %[[S1]][%{{.*}}], %arg1
// CHECK:      %[[S3:.*]] = kv.set %[[S2]][%{{.*}}], %arg0
// CHECK:      return %[[S3]]
func.func @e2(%a: tensor<?x8xf32>, %b: tensor<?x8xf32>, %s: !kv.slot<@s>, %batch: !kv.batch) -> !kv.slot<@s> {
  %c0 = arith.constant 0 : index
  %s1 = kv.set %s[%c0], %a, %batch : !kv.slot<@s>, tensor<?x8xf32>
  %s2 = kv.set %s1[%c0], %b, %batch : !kv.slot<@s>, tensor<?x8xf32>
  %s3 = kv.set %s2[%c0], %a, %batch : !kv.slot<@s>, tensor<?x8xf32>
  return %s3 : !kv.slot<@s>
}

// E3: the value is ready before the old content is read. Both use %s, so data dependence alone would let the
// write go first; the effects do not.
// CHECK-LABEL: func.func @e3
// CHECK:      kv.get %arg1
// CHECK:      kv.set %arg1
func.func @e3(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %v = math.exp %x : tensor<?x8xf32>
  %old = kv.get %s[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %u = arith.negf %old : tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %v, %b : !kv.slot<@s>, tensor<?x8xf32>
  return %u, %s1 : tensor<?x8xf32>, !kv.slot<@s>
}

// E3 with the old content used in one branch: a pure read would be sunk into it, past the write.
// CHECK-LABEL: func.func @e3_branch
// CHECK:      kv.get %arg2
// CHECK:      kv.set %arg2
// CHECK:      scf.if
func.func @e3_branch(%c: i1, %x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> (tensor<?x8xf32>, !kv.slot<@s>) {
  %c0 = arith.constant 0 : index
  %old = kv.get %s[%c0], %b : !kv.slot<@s> -> tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %x, %b : !kv.slot<@s>, tensor<?x8xf32>
  %y = scf.if %c -> tensor<?x8xf32> {
    %u = arith.negf %old : tensor<?x8xf32>
    scf.yield %u : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  return %y, %s1 : tensor<?x8xf32>, !kv.slot<@s>
}

// E5: values made in one order, written in the other.
// CHECK-LABEL: func.func @e5
// CHECK:      %[[V1:.*]] = math.exp
// CHECK:      %[[V2:.*]] = math.sin
// CHECK:      %[[S1:.*]] = kv.set %arg1[%{{.*}}], %[[V2]]
// CHECK:      kv.set %[[S1]][%{{.*}}], %[[V1]]
func.func @e5(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %b: !kv.batch) -> !kv.slot<@s> {
  %c0 = arith.constant 0 : index
  %v1 = math.exp %x : tensor<?x8xf32>
  %v2 = math.sin %x : tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %v2, %b : !kv.slot<@s>, tensor<?x8xf32>
  %s2 = kv.set %s1[%c0], %v1, %b : !kv.slot<@s>, tensor<?x8xf32>
  return %s2 : !kv.slot<@s>
}

// E6: two states, updates clustered at the end.
// CHECK-LABEL: func.func @e6
// CHECK:      kv.set %arg1
// CHECK:      kv.set %arg2
func.func @e6(%x: tensor<?x8xf32>, %s: !kv.slot<@s>, %t: !kv.slot<@t>, %b: !kv.batch) -> (!kv.slot<@s>, !kv.slot<@t>) {
  %c0 = arith.constant 0 : index
  %v1 = math.exp %x : tensor<?x8xf32>
  %v2 = math.sin %x : tensor<?x8xf32>
  %s1 = kv.set %s[%c0], %v1, %b : !kv.slot<@s>, tensor<?x8xf32>
  %t1 = kv.set %t[%c0], %v2, %b : !kv.slot<@t>, tensor<?x8xf32>
  return %s1, %t1 : !kv.slot<@s>, !kv.slot<@t>
}

// Reads of one version merge, reads of two do not; a read nobody uses goes; a pure op leaves the loop; a write
// whose result nobody uses stays, for verify-state to refuse.
// CHECK-LABEL: func.func @legal
// CHECK:      kv.positions
// CHECK:      kv.loop
// CHECK:        kv.read
// CHECK-NOT:    kv.read
// CHECK:        kv.append
// CHECK:        kv.read
// CHECK-NOT:    kv.read
// CHECK:      }
// CHECK:      kv.append %arg1
func.func @legal(%x: tensor<?x2x16xf32>, %k: !kv.slot<@k>, %b: !kv.batch) -> (tensor<?x2x16xf32>, !kv.slot<@k>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %y, %k9 = kv.loop %i = 0 to 1 carry(%h = %x, %ki = %k) : tensor<?x2x16xf32>, !kv.slot<@k> {
    %pos = kv.positions %b : tensor<?xi32>
    %t = kv.tokens %b
    %r0 = kv.read %ki[%i] rows(%c0, %c4) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %r1 = kv.read %ki[%i] rows(%c0, %c4) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %unused = kv.read %ki[%i] rows(%c4, %c4) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %k1 = kv.append %ki[%i], %x, %b : !kv.slot<@k>, tensor<?x2x16xf32>
    %r2 = kv.read %k1[%i] rows(%c0, %c4) : !kv.slot<@k> -> tensor<?x2x16xf32>
    %z0 = arith.addf %h, %r0 : tensor<?x2x16xf32>
    %z1 = arith.addf %z0, %r1 : tensor<?x2x16xf32>
    %z2 = arith.addf %z1, %r2 : tensor<?x2x16xf32>
    %p0 = tensor.extract %pos[%c0] : tensor<?xi32>
    %pf = arith.sitofp %p0 : i32 to f32
    %ps = tensor.splat %pf[%t] : tensor<?x2x16xf32>
    %z = arith.addf %z2, %ps : tensor<?x2x16xf32>
    kv.yield %z, %k1 : tensor<?x2x16xf32>, !kv.slot<@k>
  }
  %dropped = kv.append %k[%c0], %x, %b : !kv.slot<@k>, tensor<?x2x16xf32>
  return %y, %k9 : tensor<?x2x16xf32>, !kv.slot<@k>
}
