/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What supervisor (S) and worker (W) say to each other: frames of base/frame.h with JSON bodies. The worker holds no
 * Kubernetes credentials and no journal: it asks. Every request of the worker has a sequence number; the supervisor
 * answers each exactly once with MSG_ANSWER and that number, or the socket ends. The worker acts on nothing it was not
 * answered.
 */
#ifndef WORKERS_PROTOCOL_H
#define WORKERS_PROTOCOL_H

enum worker_msg {
    /* ---- S → W ---- */
    MSG_TASK = 10, /* one task to execute, see below; exactly one at a time */
    MSG_FACTS, /* {"hosts":{KEY:FACTS,…}} whole facts of the hosts that changed; a first one comes before MSG_TASK. Of
                  peers there need be none: then "member" of the task says who should answer, and SQL who does */
    MSG_ANSWER, /* {"ok":true,"data":…} or
                   {"ok":false,"kind":"refused|again|conflict|missing|input|system","message":"…"} */
    MSG_STOP, /* {"why":"…","now":false}: go to the safe point: the current host is finished or undone, interruptible
                 waits end at once, then MSG_DONE superseded. now:true = after the current step */
    /* ---- W → S ---- */
    MSG_RECORD = 40, /* {"type":"begin|end","host":KEY,"step":NAME,"attempt":N,"baseline":…,
                        "outcome":"done|already|failed|undone","detail":"…"}; answered when durable. "already" has no
                        begin before it; an end repeats the baseline. Attempts of (host, step) are numbered through,
                        over workers and when a host leaves twice */
    MSG_PERMIT,      /* {"host":KEY,"step":NAME,"class":"planned|…"}; answered ok when granted; kept waiting with the
                        decision      recorded meanwhile; answered refused only when waiting cannot help */
    MSG_APPLY, /* {"what":WHAT,"host":KEY,…}: bring one object to what the fleet says; answered {"changed":bool} after
                  the API server took it. WHAT: "configmap" "service" "statefulset" "pvcs" of the host ("statefulset"
                  takes "replicas":0|1 and "orphan":true = delete with orphaned pods, re-create); "ready":"yes|no" =
                  pod label and Service annotation; "annotate" {"key","value"} on the StatefulSet; "common" = common
                  ConfigMap (membership worker: with "generation" and "listed":[KEY,…]); "users"; "shared"
                  (Services, PDBs, Secrets); "status" */
    MSG_DELETE, /* {"what":"pod|statefulset|service|configmap|pvc","host":KEY,"name":…,"uid":…}; answered when the API
                   server took it; absent = ok. A pvc is deleted only with "consent":true from the step of its table */
    MSG_MEMBER, /* {"host":KEY,"want":"in|out"}: answered ok when balancer and remote_servers are so and the peers that
                   answer have loaded it; data: {"late":[KEY,…]} peers that did not answer in time */
    MSG_CREDENTIALS, /* {}: answered {"user":"…","password":"…","ca":PEM,"insecure":bool} for SQL (the last two for
                        servers that have only https); asked again after a refusal; never logged, never journalled */
    MSG_PROGRESS, /* {"host":KEY,"step":NAME,"text":"…","waiting":"WAIT_CATCHUP|…","since_ms":…}; not answered; at least
                     every 30 s while a task is under way */
    MSG_INCIDENT, /* {"host":KEY,"code":"…","text":"…"}; not answered */
    MSG_DONE,     /* {"outcome":"done|failed|superseded|refused","host":KEY,"step":NAME,"text":"…"}; not answered; the
                     worker may then get the next MSG_TASK or its channel ends. Table membership adds "late":[KEY,…] and
                     of those "behind":{KEY: GENERATION}: they answer, and have this older list */
};

/*
 * MSG_TASK:
 * {"operation":N,"task":N,"try":N,"table":NAME,"object":"ns/inst/cluster/shard","installation":"ns/inst","kind":"chi|chk",
 *  "hosts":[{"key","action","reason","cluster","shard","replica","sts","service","address","ports":{"tcp":…,"http":…,
 *            "https":…,"interserver":…,"zk":…,"raft":…},"secure":bool,"want":{"image":…,"version":…,"restart_hash":…,
 *            "replicas":1},"ephemeral":bool,"volumes":[{"pvc","retain":bool,"size":…,"attributes":…}],"macro_replica":…}],
 *  "peers":[ same shape without action: the other hosts of the installation (schema sources, membership, replica drops)
 * ], "zookeeper":{"servers":"h:p,h:p","root":"/x"}, "schema_policy":{"replica":"All","shard":"All"},
 *  "knobs":{"wait_queries":bool,"replicas_delay_s":10,"drop_on_delete":bool,"drop_active":bool,"drain_s":…,
 *           "propagation_s":…},
 *  "consent":{…spec.chfleet.consent…}, "deleting":bool (the whole installation goes: flush and join do not matter),
 *  "membership":{"generation":N,"listed":[KEY,…]}            (table membership only)
 *  "resume":[{"host","step","attempt","outcome":null|"done"|…,"baseline":…,"same_boot":bool,"age_ms":…}] }
 *                                                           resume: newest row of each (host, step) of this task,
 * oldest first; the last one of a host is where it goes on Optional: "knobs":{"limits":{STEP:seconds},"files_s":N} for
 * other deadlines, and the time after which files of a written ConfigMap are surely in the pod (default propagation_s);
 * "member":bool of each host (is in remote_servers now); a MSG_APPLY of the StatefulSet carries
 * "mirror":{operation,task,step,attempt,baseline} for the annotation. A macro chfleet_config in the host's own files
 * whose value is its restart digest lets `seen`, `reload` and `loaded` prove at once what a server has read; without it
 * they wait propagation_s after the write. Per-host actions name step tables of the same name (steps.h): a task "shard"
 * runs for each of its hosts, in order, the table of that host's action. Other tables ("prepare", "finish",
 * "membership", …) run once.
 *
 * FACTS of a host (from the watch cache; the worker re-probes on each change, nobody polls):
 * {"sts":{"exists","uid","replicas","observed":bool (observedGeneration = generation),"updated":bool (pod is of the
 * newest revision),"depth":"same|metadata|template|immutable" (live against desired)},
 *  "pod":{"exists","uid","phase","ready","terminating","identity","container_id","started_at","image",
 *         "image_matches":bool (a StatefulSet of OrderedReady never replaces a pod that is not Ready by itself: then
 * the act deletes it),"waiting":"reason","waiting_message","restarts","label":"yes|no|"},
 *  "configmap":{"current":bool,"restart_hash":"…","since_ms":wall clock of the last change of the digest, -1 unknown},
 *  "service":{"exists","current"},
 *  "in_endpoints":bool (a balancing Service's EndpointSlice has the pod as ready),
 *  "member":"in|out|going-in|going-out","loaded":{"restart_hash","identity","version"} (annotation chfleet.io/loaded:
 * written by the worker after a start, with what SELECT version() said),
 *  "data_moves":bool (it will start without what it has on its disks: table move),
 *  "pvcs":[{"name","uid","phase","capacity","requested","retain","terminating",
 *           "goes":bool (only a new claim can be as wanted), "given_up":bool (the owner says that it may go),
 *           "unused":bool (the wanted host has no such volume, and consent names it),
 *           "node_grows_since_ms":N (the file system is still to grow), "trouble":what the storage says of it,
 *           "attributes","attributes_now","attributes_refused":bool (VolumeAttributesClass)}]}
 */

#endif
