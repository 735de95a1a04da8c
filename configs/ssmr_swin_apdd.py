# SSMR on APDDv2, drawings and paintings with a total score, with the recipe of ssmr_swin_baid.py.
#
#   python tools/train.py configs/ssmr_swin_apdd.py --cfg-options table.root=data/apdd
#   python tools/test.py  configs/ssmr_swin_apdd.py work_dirs/ssmr_swin_apdd/best.pth --cfg-options table.root=data/apdd
#
# Needs: APDDv2 (python tools/prepare_data.py apdd --root data/apdd says what to get); the weights of Swin-B (350 MB) and
#   VGG-16 (550 MB), downloaded at the first run, or --weights semantic=PATH --weights style=PATH.
# Expect: the features of 10,023 works once, then 20 short epochs. Without the lists splits/{train,val,test}.txt the works
#   are divided by checksum, and figures do not compare with published ones. The recipe is BAID's and what it scores here
#   is not verified. One attribute: table.score_column=creativity "table.scale=(0,10)" table.threshold=5
_base_ = ['_base_/datasets/apdd.py', '_base_/swin_vgg.py', '_base_/ssmr.py', '_base_/default_runtime.py']
