# SSMR as published, on BAID: Swin-B nodes, references close in semantics and in style, six relation layers of width
# 1024 over the query and its four nearest references, flattened; 26.3 million parameters.
#
#   python tools/train.py configs/ssmr_swin_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swin_baid.py work_dirs/ssmr_swin_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID (python tools/prepare_data.py baid --root data/baid downloads it); the weights of Swin-B (350 MB)
#   and VGG-16 (550 MB), downloaded at the first run, or --weights semantic=PATH --weights style=PATH.
# Expect: the features of 60,337 works once, the references in about a minute, then 20 epochs. What it scores on BAID is
#   not verified: the paper's tables are not known to us. Differences from the released code are in docs/concepts.md.
_base_ = ['_base_/datasets/baid.py', '_base_/swin_vgg.py', '_base_/ssmr.py', '_base_/default_runtime.py']
