# SSMR on BAID with references by semantics alone.
#
#   python tools/train.py configs/ssmr_swin_cosine_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swin_cosine_baid.py work_dirs/ssmr_swin_cosine_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID and the weights of Swin-B; VGG-16 is not used.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

retriever = dict(_delete_=True, type='CosineRetriever', view='semantic', num_references=50)
