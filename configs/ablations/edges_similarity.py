# Relations that start from the retrieval similarities.
#
#   python tools/train.py configs/ablations/edges_similarity.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/edges_similarity.py work_dirs/edges_similarity/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(reasoner=dict(edge_init='similarity'))
