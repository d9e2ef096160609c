/* Tests of what is done to a header block that readers read differently. */
#include "message/mend.h"

#include <string.h>

static const struct
{
  const gchar *name, *text, *mended; /* NULL: nothing is to be done */
} cases[] = {
  { "fine", "A: b\r\n c\r\n\r\nno field\r\n", NULL },
  { "fine/no-body", "A: b\r\n", NULL },
  { "fine/open-line", "A: b", NULL },
  { "fine/empty", "", NULL },
  { "fine/blank-first", "\r\nA: b\r\n", NULL },
  { "fine/white-line", "A: b\r\n \r\nC: d\r\n\r\n", NULL },
  { "cut", "A: b\r\nno field\r\nC: d\r\n\r\nbody\r\n",
    "A: b\r\n\r\nno field\r\nC: d\r\n\r\nbody\r\n" },
  { "cut/no-name", "A: b\r\n: c\r\n\r\n", "A: b\r\n\r\n: c\r\n\r\n" },
  { "cut/control", "A: b\r\nX\001: c\r\n\r\n", "A: b\r\n\r\nX\001: c\r\n\r\n" },
  { "cut/beyond-ascii", "A: b\r\n\xc3\xbc: c\r\n\r\n", "A: b\r\n\r\n\xc3\xbc: c\r\n\r\n" },
  { "cut/mbox", ">From a@b Mon\r\nA: b\r\n\r\n", "\r\n>From a@b Mon\r\nA: b\r\n\r\n" },
  { "cut/folded-first", " x\r\nA: b\r\n\r\n", "\r\n x\r\nA: b\r\n\r\n" },
  { "blanks", "A : b\r\nC: d\r\nE\t \t:f\r\n\r\n", "A: b\r\nC: d\r\nE:f\r\n\r\n" },
  { "blanks/value", "A :  : b\r\n\r\n", "A:  : b\r\n\r\n" },
  { "both", "A : b\r\nno field", "A: b\r\n\r\nno field" },
};

static void
test_mend (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  gsize length = strlen (cases[i].text);
  g_autoptr (MessageHeaders) headers
      = message_headers_scan ((const guint8 *) cases[i].text, length, TRUE);
  g_autoptr (MessageEdits) mends = message_mend (headers);

  if (cases[i].mended == NULL)
    {
      g_assert_null (mends);
      return;
    }
  MessageSource source = message_source_from_memory ((const guint8 *) cases[i].text, length);
  g_autoptr (GBytes) mended = message_edits_apply (mends, &source, NULL);

  g_assert_cmpmem (g_bytes_get_data (mended, NULL), g_bytes_get_size (mended), cases[i].mended,
                   strlen (cases[i].mended));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *path = g_strconcat ("/message/mend/", cases[i].name, NULL);
      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_mend);
    }
  return g_test_run ();
}
