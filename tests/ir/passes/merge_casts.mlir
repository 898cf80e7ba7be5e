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
