/*
 * Dice: numbers that look random and depend on nothing but a seed and the place they are thrown for, so that what was
 * sent can be computed again in any order.
 */
#pragma once

#include <stdint.h>

static inline uint64_t dice_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static inline uint64_t dice_at(uint64_t seed, uint64_t a, uint64_t b)
{
    return dice_mix(dice_mix(dice_mix(seed) ^ a) ^ b);
}

/* Of [0, n); n > 0. */
static inline uint32_t dice_below(uint64_t dice, uint32_t n) { return (uint32_t)((dice >> 32) * n >> 32); }
