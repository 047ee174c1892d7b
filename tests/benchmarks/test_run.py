from benchmarks.run import work_per_pixel


def test_work_of_one_convolution_by_hand():
    # 9 taps, 1 input, 3 outputs: 27 products and sums; the gradient of the kernel has as many.
    operations, values = work_per_pixel(1, 8, 0)
    assert operations == [54, 54]
    # Reads gray, writes 3; the loss reads 6 and writes 3, the gradient of the kernel reads 4.
    assert values == [4, 13]


def test_work_of_two_convolutions_by_hand():
    operations, values = work_per_pixel(2, 2, 0)
    # 9 * (1 * 2 + 2 * 3) products; there is no gradient of the input of the first convolution.
    assert operations == [2 * 72, 2 * (72 + 54)]
    # Forward 1 + 2, the ReLU 2 + 2, 2 + 3. Backward: the loss 9, kernels 1 + 2 and 2 + 3, the
    # gradient of the hidden layer 3 + 2, its ReLU 4 + 2.
    assert values == [12, 28]


def test_batch_norm_adds_passes_over_each_output():
    assert [
        a - b for a, b in zip(work_per_pixel(2, 2, 1)[1], work_per_pixel(2, 2, 0)[1], strict=True)
    ] == [30, 30]
