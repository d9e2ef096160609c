/* The hooks of one filter in one request, in their order. Inside src/worker only. */
#pragma once

#include "worker/context.h"

/* Runs those that the request's hook stands for, until a verdict ends it, and puts the verdict into
 * context->record. A bad verdict sets context->failure. */
void worker_hooks_run (WeirContext *context);
