# SSMR on BAID with graph attention (GATv2) instead of relation layers; the query's node is read out.
#
#   python tools/train.py configs/ssmr_swin_gat_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swin_gat_baid.py work_dirs/ssmr_swin_gat_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

model = dict(reasoner=dict(_delete_=True, type='GAT', dim=1024, depth=2, heads=4, edges='full', readout='query'))
