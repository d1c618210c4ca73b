/*
 * ThreadSanitizer cannot see CK's inline assembly; these tell it what a CK structure orders.  They are nothing elsewhere.
 * Everything that is ours publishes by C11 atomics, which it does see.
 */
#pragma once

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#ifdef HAS_TSAN
void __tsan_acquire(void *);
void __tsan_release(void *);
#define tsan_acquire(p) __tsan_acquire((void *)(p))
#define tsan_release(p) __tsan_release((void *)(p))
#else
#define tsan_acquire(p) ((void)(p))
#define tsan_release(p) ((void)(p))
#endif
