/* What a name server's answer is read as: in order of preference, null MX, other records passed
 * over, and never a crash, wherever it is cut or whichever octet is wrong. */
#include "blocking/resolver.h"

#include <string.h>

/* x.test MX: 20 b.x.test, a CNAME, 10 a.x.test */
static const guint8 answer[] = "\0\1\x84\0\0\1\0\3\0\0\0\0"
                               "\1x\4test\0\0\xf\0\1"
                               "\xc0\xc\0\xf\0\1\0\0\0\x3c\0\6\0\x14\1b\xc0\xc"
                               "\xc0\xc\0\5\0\1\0\0\0\x3c\0\4\1y\xc0\xc"
                               "\xc0\xc\0\xf\0\1\0\0\0\x3c\0\6\0\xa\1a\xc0\xc";
static const guint8 none[] = "\0\1\x84\0\0\1\0\1\0\0\0\0\1x\4test\0\0\xf\0\1"
                             "\xc0\xc\0\xf\0\1\0\0\0\x3c\0\3\0\0\0";

static void
test_order (void)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);

  g_assert_true (blocking_resolver_read (answer, sizeof answer - 1, hosts));
  g_assert_cmpuint (hosts->len, ==, 2);
  g_assert_cmpstr (hosts->pdata[0], ==, "a.x.test");
  g_assert_cmpstr (hosts->pdata[1], ==, "b.x.test");
}

static void
test_null (void)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);

  g_assert_true (blocking_resolver_read (none, sizeof none - 1, hosts));
  g_assert_cmpuint (hosts->len, ==, 1);
  g_assert_cmpstr (hosts->pdata[0], ==, ".");
}

static void
test_malformed (void)
{
  for (gsize length = 0; length < sizeof answer - 1; length++)
    {
      g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);
      g_autofree guint8 *cut = g_memdup2 (answer, length);

      g_assert_false (blocking_resolver_read (cut, length, hosts));
      g_assert_cmpuint (hosts->len, ==, 0);
    }
  for (gsize at = 0; at < (sizeof answer - 1) * 256; at++)
    {
      g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);
      g_autofree guint8 *bent = g_memdup2 (answer, sizeof answer - 1);

      bent[at / 256] = (guint8) at;
      blocking_resolver_read (bent, sizeof answer - 1, hosts);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/resolver/order", test_order);
  g_test_add_func ("/resolver/null", test_null);
  g_test_add_func ("/resolver/malformed", test_malformed);
  return g_test_run ();
}
