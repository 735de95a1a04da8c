# SSMR on BAID with references by style alone.
#
#   python tools/train.py configs/ssmr_swin_gram_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swin_gram_baid.py work_dirs/ssmr_swin_gram_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

retriever = dict(_delete_=True, type='GramRetriever', view='style', num_references=50)
