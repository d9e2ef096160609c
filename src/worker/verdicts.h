/* Whether a hook's verdict may be given where it was. Inside src/worker only. */
#pragma once

#include "worker/context.h"

/* Why not; NULL: it may. The caller frees. */
gchar *worker_verdict_problem (const WeirContext *context, WeirVerdict verdict);
