# Golden values of the core (tests/golden/test_core.py): what R and its packages say.
#
#     Rscript tests/golden/core.R > tests/golden/core.csv
#
# Debian: r-base-core r-cran-metafor r-cran-emmeans

suppressMessages({
  library(metafor)
  library(emmeans)
})

out <- function(name, ...) {
  values <- c(...)
  cat(paste(c(name, sprintf("%.15g", values)), collapse = ","), "\n", sep = "")
}
cat("# ", R.version.string, ", metafor ", as.character(packageVersion("metafor")),
    ", emmeans ", as.character(packageVersion("emmeans")), "\n", sep = "")

# --- A scale with one run borrows the variance within the others ------------------------------
y <- c(0.62, 0.71, 0.55, 0.66, 0.83, 0.79, 0.91, 0.40)
s <- factor(c("a", "a", "a", "a", "b", "b", "b", "c"))
model <- lm(y ~ s)
of_scales <- as.data.frame(confint(emmeans(model, "s")))
out("borrowed", of_scales$lower.CL[3], of_scales$upper.CL[3])

# --- Two scales: the difference of their means (Welch), and its p against a margin ------------
a <- y[s == "a"]
b <- y[s == "b"]
out("difference", t.test(b, a, conf.level = 0.975)$conf.int[1], t.test(b, a)$conf.int[2])
out("difference_p", t.test(b, a, mu = 0.4, alternative = "less")$p.value)

# --- A slope of scale means with errors from runs within scales -------------------------------
x <- c(a = 4, b = 5, c = 6.5)
third <- c(0.92, 1.01, 0.88)
means <- c(mean(a), mean(b), mean(third))
w <- (x - mean(x)) / sum((x - mean(x))^2)
v <- c(var(a) / 4, var(b) / 3, var(third) / 3)
se <- sqrt(sum(w^2 * v))
df <- sum(w^2 * v)^2 / sum((w^2 * v)^2 / c(3, 2, 2))
out("slope", sum(w * means) + c(-1, 1) * qt(0.975, df) * se)

# --- How scales differ: random effects by Paule and Mandel ------------------------------------
effects <- c(1.2, 1.9, 3.1, 2.4, 2.0)
stderr <- c(0.3, 0.4, 0.35, 0.5, 0.45)
re <- rma(yi = effects, sei = stderr, method = "PM", control = list(tol = 1e-12))
out("random_effects", re$QE, re$QEp, re$tau2, re$beta, re$se)
half <- qt(0.975, 3) * sqrt(re$tau2 + re$se^2)
out("prediction_interval", re$beta - half, re$beta + half)

# --- The median by the sign test --------------------------------------------------------------
z <- c(0.3, 1.9, 0.7, 2.8, 1.1, 0.2, 5.6, 0.9, 1.4, 3.3, 0.6)
k <- qbinom(0.025, length(z), 0.5)
out("median", sort(z)[k], sort(z)[length(z) - k + 1])
out("median_p", binom.test(sum(z > 0.5), length(z), alternative = "greater")$p.value)

# --- A count that a paper reports -------------------------------------------------------------
out("reported", binom.test(28, 32)$conf.int)

# --- What geometry that knows nothing gets right of swaps: all permutations within each scale ---
# Of the pairs of tasks that emerge in one order at the first scale and in the other at the second, and whose recoveries swap
# too: the share whose recoveries have the same two orders. Number of permutations with such a pair, mean and variance.
permutations <- function(x) {
  if (length(x) < 2) return(list(x))
  do.call(c, lapply(seq_along(x), function(i) lapply(permutations(x[-i]), function(rest) c(x[i], rest))))
}
emerged <- rbind(c(1, 2, 3, 4), c(4, 3, 3, 1))
recovered <- c(1, 2, 3, 3)
shares <- c()
for (one in permutations(recovered)) for (other in permutations(recovered)) {
  right <- both <- 0
  for (i in 1:3) for (j in (i + 1):4) {
    b <- sign(emerged[, i] - emerged[, j])
    g <- sign(c(one[i] - one[j], other[i] - other[j]))
    if (prod(b) == -1 && prod(g) == -1) {
      both <- both + 1
      right <- right + (b[1] == g[1])
    }
  }
  if (both > 0) shares <- c(shares, right / both)
}
out("conditional_permutation", length(shares), mean(shares), mean((shares - mean(shares))^2))
