// RUN: kvasir-opt %s --merge-casts | FileCheck %s
// A tensor is cast to a type once a block, so that bufferization sees one view of it.

// CHECK-LABEL: func.func @once
// CHECK: %[[A:.*]] = tensor.cast %arg0 : tensor<?x8xf32> to tensor<1x8xf32>
// CHECK-NEXT: %[[B:.*]] = tensor.cast %arg1
// CHECK-NEXT: %[[C:.*]] = tensor.cast %arg0 : tensor<?x8xf32> to tensor<2x8xf32>
// CHECK-NEXT: call @use(%[[A]], %[[A]], %[[B]], %[[C]])
// CHECK-NEXT: scf.if
// CHECK-NEXT:   tensor.cast %arg0
func.func private @use(tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<2x8xf32>)
func.func @once(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %which: i1) {
  %a = tensor.cast %x : tensor<?x8xf32> to tensor<1x8xf32>
  %b = tensor.cast %x : tensor<?x8xf32> to tensor<1x8xf32>
  %c = tensor.cast %y : tensor<?x8xf32> to tensor<1x8xf32>
  %d = tensor.cast %x : tensor<?x8xf32> to tensor<2x8xf32>
  func.call @use(%a, %b, %c, %d) : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<2x8xf32>) -> ()
  scf.if %which {
    %e = tensor.cast %x : tensor<?x8xf32> to tensor<1x8xf32>
    func.call @use(%e, %e, %e, %d) : (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<2x8xf32>) -> ()
  }
  return
}

// What both branches cast is cast behind them, also out of a branch within; what they cast from different types is not.
// CHECK-LABEL: func.func @yielded
// CHECK: %[[Y:.*]]:2 = scf.if %{{.*}} -> (tensor<1x8xf32>, tensor<?x8xf32>) {
// CHECK:   %[[OTHER:.*]] = tensor.cast %arg1
// CHECK:   scf.yield %arg0, %[[OTHER]]
// CHECK: } else {
// CHECK:   %[[INNER:.*]] = scf.if %{{.*}} -> (tensor<1x8xf32>) {
// CHECK:   scf.yield %[[INNER]], %{{.*}}
// CHECK: %[[CAST:.*]] = tensor.cast %[[Y]]#0 : tensor<1x8xf32> to tensor<?x8xf32>
// CHECK: return %[[CAST]], %[[Y]]#1
func.func @yielded(%x: tensor<1x8xf32>, %y: tensor<2x8xf32>, %which: i1) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a:2 = scf.if %which -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    %b = tensor.cast %x : tensor<1x8xf32> to tensor<?x8xf32>
    %c = tensor.cast %y : tensor<2x8xf32> to tensor<?x8xf32>
    scf.yield %b, %c : tensor<?x8xf32>, tensor<?x8xf32>
  } else {
    %b = scf.if %which -> tensor<?x8xf32> {
      %d = tensor.cast %x : tensor<1x8xf32> to tensor<?x8xf32>
      scf.yield %d : tensor<?x8xf32>
    } else {
      %d = tensor.cast %x : tensor<1x8xf32> to tensor<?x8xf32>
      scf.yield %d : tensor<?x8xf32>
    }
    %c = tensor.cast %x : tensor<1x8xf32> to tensor<?x8xf32>
    scf.yield %b, %c : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return %a#0, %a#1 : tensor<?x8xf32>, tensor<?x8xf32>
}
