# Read-out: the node of the query, which does not depend on the order of the references.
#
#   python tools/train.py configs/ablations/readout_query.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/readout_query.py work_dirs/readout_query/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(reasoner=dict(readout='query'))
