#!/usr/bin/env python3
import json
print(json.dumps({
    "directors": {"hosts": ["lb1", "lb2"], "vars": {"scheduler": "wlc", "ports": [80, 443]}},
    "real_servers": {"hosts": ["rs1", "rs2"]},
    "cluster": {"children": ["directors", "real_servers"], "vars": {"site": "zürich"}},
    "listed": ["rs2", "rs3"],
    "_meta": {"hostvars": {"lb1": {"priority": 150}, "rs3": {"weight": 0, "up": True, "none": None}}},
}))
