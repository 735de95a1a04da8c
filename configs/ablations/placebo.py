# The placebo: the same network on references drawn at random.
#
#   python tools/train.py configs/ablations/placebo.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/placebo.py work_dirs/placebo/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

retriever = dict(_delete_=True, type='RandomRetriever', seed=0, num_references=50)
