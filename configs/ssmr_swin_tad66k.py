# SSMR on TAD66K, with the recipe of ssmr_swin_baid.py.
#
#   python tools/train.py configs/ssmr_swin_tad66k.py --cfg-options table.root=data/tad66k
#   python tools/test.py  configs/ssmr_swin_tad66k.py work_dirs/ssmr_swin_tad66k/best.pth --cfg-options table.root=data/tad66k
#
# Needs: TAD66K (python tools/prepare_data.py tad66k --root data/tad66k says what to get); the weights of Swin-B (350 MB)
#   and VGG-16 (550 MB), downloaded at the first run, or --weights semantic=PATH --weights style=PATH.
# Expect: the features of 66,327 works once, the references in about a minute, then 20 epochs; best.pth is chosen on a
#   twentieth of the training works. The recipe is BAID's and what it scores here is not verified.
_base_ = ['_base_/datasets/tad66k.py', '_base_/swin_vgg.py', '_base_/ssmr.py', '_base_/default_runtime.py']
