#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An installation as Altinity's operator left it (tests/takeover/CASE.json), for a real API server.

    takeover.py resource CASE          the resource, without status
    takeover.py status CASE            a merge patch with its status
    takeover.py objects CASE UID       everything that belongs to it, owned by UID; pods come of the StatefulSets
    takeover.py before CASE            what must be the same after the takeover: "KIND NAME FACTS" lines, from a list of live objects on
                                       standard input
"""
import json
import sys

HERE = __file__.rsplit('/', 2)[0]


def table(name, more=''):
    return (f'<clickhouse>\n    <{name} replace="1">\n        <database>system</database>\n        <table>{name}</table>\n'
            '        <engine>Engine = MergeTree PARTITION BY event_date ORDER BY event_time TTL event_date + interval 30 day</engine>\n'
            f'        <flush_interval_milliseconds>7500</flush_interval_milliseconds>\n    </{name}>\n{more}</clickhouse>\n')


def profile(name, values):
    lines = ''.join(f'            <{k}>{v}</{k}>\n' for k, v in values.items())
    return f'<clickhouse>\n    <profiles>\n        <{name}>\n{lines}        </{name}>\n    </profiles>\n</clickhouse>\n'


# The texts of that operator's own files are not recorded; what they say is.
LEFT_OUT = {
    '01-clickhouse-01-listen.xml': '<clickhouse>\n    <listen_host>::</listen_host>\n    <listen_host>0.0.0.0</listen_host>\n'
                                   '    <listen_try>1</listen_try>\n</clickhouse>\n',
    '01-clickhouse-02-logger.xml': '<clickhouse>\n    <logger>\n        <level>debug</level>\n'
                                   '        <log>/var/log/clickhouse-server/clickhouse-server.log</log>\n'
                                   '        <errorlog>/var/log/clickhouse-server/clickhouse-server.err.log</errorlog>\n'
                                   '        <size>1000M</size>\n        <count>10</count>\n        <console>1</console>\n'
                                   '    </logger>\n</clickhouse>\n',
    '01-clickhouse-03-query_log.xml': table('query_log', '    <query_thread_log remove="1"/>\n'),
    '01-clickhouse-04-part_log.xml': table('part_log'),
    '01-clickhouse-05-trace_log.xml': table('trace_log'),
    '01-clickhouse-operator-profile.xml': profile('clickhouse_operator', {
        'log_queries': 0, 'skip_unavailable_shards': 1, 'http_connection_timeout': 10, 'max_concurrent_queries_for_all_users': 0,
        'os_thread_priority': 0}),
    '02-clickhouse-default-profile.xml': profile('default', {
        'os_thread_priority': 2, 'log_queries': 1, 'connect_timeout_with_failover_ms': 1000,
        'distributed_aggregation_memory_efficient': 1, 'parallel_view_processing': 1,
        'do_not_merge_across_partitions_select_final': 1, 'load_balancing': 'nearest_hostname', 'prefer_localhost_replica': 0}),
    '01-keeper-01-default-config.xml':
        '<clickhouse>\n    <keeper_server>\n        <coordination_settings>\n            <min_session_timeout_ms>10000</min_session_timeout_ms>\n'
        '            <operation_timeout_ms>10000</operation_timeout_ms>\n            <raft_logs_level>information</raft_logs_level>\n'
        '            <session_timeout_ms>100000</session_timeout_ms>\n        </coordination_settings>\n'
        '        <hostname_checks_enabled>true</hostname_checks_enabled>\n'
        '        <log_storage_path>/var/lib/clickhouse-keeper/coordination/logs</log_storage_path>\n'
        '        <snapshot_storage_path>/var/lib/clickhouse-keeper/coordination/snapshots</snapshot_storage_path>\n'
        '        <storage_path>/var/lib/clickhouse-keeper</storage_path>\n        <tcp_port>2181</tcp_port>\n    </keeper_server>\n'
        '    <listen_host>::</listen_host>\n    <listen_host>0.0.0.0</listen_host>\n    <listen_try>1</listen_try>\n'
        '    <logger>\n        <console>1</console>\n        <level>information</level>\n    </logger>\n'
        '    <max_connections>4096</max_connections>\n</clickhouse>\n',
    '01-keeper-02-readiness.xml': '<clickhouse>\n    <keeper_server>\n        <http_control>\n            <port>9182</port>\n            <readiness>\n'
                                  '                <endpoint>/ready</endpoint>\n            </readiness>\n        </http_control>\n'
                                  '    </keeper_server>\n</clickhouse>\n',
    '01-keeper-03-enable-reconfig.xml': '<clickhouse>\n    <keeper_server>\n'
                                        '        <enable_reconfiguration>false</enable_reconfiguration>\n    </keeper_server>\n</clickhouse>\n',
}


def load(case):
    with open(f'{HERE}/takeover/{case}.json', encoding='utf-8') as f:
        found = json.load(f)
    return found['items'] if isinstance(found, dict) else found


def is_resource(o):
    return o['kind'] in ('ClickHouseInstallation', 'ClickHouseKeeperInstallation')


def objects(case, uid):
    out = []
    for o in load(case):
        kind, meta = o['kind'], o['metadata']
        if kind == 'Pod' or kind.startswith('ClickHouse'):
            continue
        for owner in meta.get('ownerReferences', []):
            owner['uid'] = uid
        for key, text in o.get('data', {}).items():
            if text == '(text left out)':
                o['data'][key] = LEFT_OUT[key]
        if kind == 'PersistentVolumeClaim':  # bound anew: volumes are not recorded
            o['spec'].pop('volumeName', None)
            meta.pop('finalizers', None)
            meta['annotations'] = {k: v for k, v in meta.get('annotations', {}).items() if 'kubernetes.io/' not in k}
        out.append(o)
    return out


def before(live):
    """What a takeover must leave alone."""
    lines = []
    for o in live['items']:
        kind, meta, spec = o['kind'], o['metadata'], o.get('spec', {})
        facts = []
        if kind == 'Pod':
            status = o.get('status', {})
            facts = [meta['uid'], status.get('podIP'), [c.get('containerID') for c in status.get('containerStatuses', [])],
                     {k: v for k, v in meta.get('labels', {}).items()}]
        elif kind == 'StatefulSet':
            facts = [meta['uid'], o.get('status', {}).get('updateRevision'), spec['template'], spec['selector'], spec.get('volumeClaimTemplates', [])]
        elif kind == 'Service':
            facts = [meta['uid'], spec.get('clusterIP'), spec.get('ports'), spec.get('selector'), spec['type']]
        elif kind in ('PersistentVolumeClaim', 'PodDisruptionBudget', 'Secret', 'ConfigMap'):
            facts = [meta['uid'], meta.get('ownerReferences', []), spec]
        lines.append(f'{kind} {meta["namespace"]}/{meta["name"]} {json.dumps(facts, sort_keys=True)}')
    return sorted(lines)


def main():
    what, case = sys.argv[1], sys.argv[2]
    if what == 'before':
        print('\n'.join(before(json.load(sys.stdin))))
        return
    resources = [o for o in load(case) if o['kind'].startswith('ClickHouse')]
    if what == 'resource':
        for r in resources:
            r.pop('status', None)
        print(json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': sorted(resources, key=is_resource)}))
    elif what == 'status':
        print(json.dumps({'status': [r for r in resources if is_resource(r)][0]['status']}))
    elif what == 'kind':
        r = [r for r in resources if is_resource(r)][0]
        print('chk' if 'Keeper' in r['kind'] else 'chi', r['metadata']['name'])
    else:
        print(json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': objects(case, sys.argv[3])}))


main()
