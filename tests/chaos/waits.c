/* What libfaketime 0.9.10 gets wrong, put before it: a process would wait for hours where its clock is ahead, or not at
   all. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

typedef int timed_wait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static timed_wait *as_libc, *as_jumped;

__attribute__((constructor)) static void find(void)
{
    as_libc = (timed_wait *)dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "pthread_cond_timedwait");
    as_jumped = (timed_wait *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
}

/* Python's threads wait so for the interpreter's lock, by the monotonic clock. libfaketime takes that for the other one,
   and each such wait is over at once: a process with two threads at work spent four times its CPU on asking again.
   This bit is how glibc itself tells the two (nptl/pthread_cond_common.c). */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    return (condition->__data.__wrefs & 2 ? as_libc : as_jumped)(condition, mutex, until);
}

/* librdkafka waits by this, which libfaketime doesn't know: until a time that it has from the jumped clock. */
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    int error = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until);
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

/* Python sleeps by this, until a monotonic time, which libfaketime takes for one of the jumped clock. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) == -1 ? errno : 0;
}
