/* A worker process: receives requests on its SEQPACKET socket, runs them, sends each filter's
 * record as soon as it is finished. */
#pragma once

#include "worker/run.h"

/* Confines the process (process group, memory, no core, no new privileges, dies with its parent),
 * starts the filters and serves until the peer closes the socket. Called in a freshly forked,
 * single-threaded child; returns the exit status: 0, or EX_SOFTWARE (70) when a filter would not
 * start or the peer sent nonsense (logged). `socket` is taken over. `parent` is the pid that it
 * must not outlive; 0: none. */
int worker_main (const Config *config, const WorkerModules *modules, gint socket, GPid parent);
