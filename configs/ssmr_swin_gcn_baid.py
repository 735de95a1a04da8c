# SSMR on BAID with graph convolution over the retrieval similarities instead of relation layers.
#
#   python tools/train.py configs/ssmr_swin_gcn_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swin_gcn_baid.py work_dirs/ssmr_swin_gcn_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

model = dict(reasoner=dict(_delete_=True, type='GCN', dim=1024, depth=2, edges='full', readout='query'))
