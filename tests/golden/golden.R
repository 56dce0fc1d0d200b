# Golden values of tests/test_golden.py: what R and its packages say.
#
#     Rscript tests/golden/golden.R > tests/golden/golden.csv
#
# Debian: r-base-core r-cran-survival r-cran-survey r-cran-exactranktests

suppressMessages({
  library(survival)
  library(survey)
  library(exactRankTests)
})

out <- function(name, ...) {
  values <- c(...)
  cat(paste(c(name, sprintf("%.15g", values)), collapse = ","), "\n", sep = "")
}
cat("# ", R.version.string, ", survival ", as.character(packageVersion("survival")),
    ", survey ", as.character(packageVersion("survey")),
    ", exactRankTests ", as.character(packageVersion("exactRankTests")), "\n", sep = "")

# --- Student's t and two one-sided tests -----------------------------------------------------
x <- c(0.12, -0.05, 0.31, 0.08, 0.22, -0.11, 0.17, 0.02)
t95 <- t.test(x, conf.level = 0.95)
out("t_interval", t95$conf.int)
out("tost_p", t.test(x, mu = -0.25, alternative = "greater")$p.value,
    t.test(x, mu = 0.25, alternative = "less")$p.value)
out("tost_90", t.test(x, conf.level = 0.90)$conf.int)

# --- Welch: two scales, the mean of their means is half of a - (-b) ---------------------------
a <- c(1.0, 1.2, 0.7, 1.1, 0.95)
b <- c(3.0, 4.5, 2.0)
out("welch_90", t.test(a, -b, conf.level = 0.90)$conf.int / 2)

# --- exact sign-flip test over runs (values are multiples of 1/100) ---------------------------
flips <- c(12, -5, 31, 8, 22, -11, 17, 2, 9, 14)
out("sign_flip_greater", perm.test(flips, alternative = "greater", exact = TRUE)$p.value)
out("sign_flip_less", perm.test(flips, alternative = "less", exact = TRUE)$p.value)

# --- rates ------------------------------------------------------------------------------------
out("clopper_pearson_0_5", binom.test(0, 5)$conf.int)
out("clopper_pearson_7_24", binom.test(7, 24, conf.level = 0.975)$conf.int)
out("clopper_pearson_24_24", binom.test(24, 24, conf.level = 0.99)$conf.int)
out("binomial_greater", binom.test(20, 24, p = 0.6, alternative = "greater")$p.value)

# Korn and Graubard: runs are clusters of 24 task-levels, none of them at a bound
successes <- c(20, 22, 18, 23, 15, 21)
data <- data.frame(
  run = rep(seq_along(successes), each = 24),
  y = unlist(lapply(successes, function(k) rep(c(1, 0), c(k, 24 - k))))
)
design <- svydesign(ids = ~run, data = data, weights = ~1)
for (level in c(0.9, 0.95, 0.975)) {
  out(paste0("korn_graubard_", level),
      confint(svyciprop(~y, design, method = "beta", level = level)))
}

# --- slopes -----------------------------------------------------------------------------------
params <- c(4.0, 4.5, 5.1, 5.5, 6.2)
floors <- c(0.10, 0.02, 0.30, 0.21, 0.52)
fit <- lm(floors ~ params)
out("slope", coef(fit)[2], confint(fit, level = 0.95)[2, ])

# --- orders -----------------------------------------------------------------------------------
layer <- c(1, 2, 3, 4, 5, 6)
step <- c(30, 30, 20, 12, 12, 9)
out("kendall_tau_b", suppressWarnings(cor.test(layer, step, method = "kendall")$estimate))
geometry <- c(10, 20, 20, 35, 50, 80, 15, 60)
emergence <- c(100, 240, 180, 300, 700, 400, 400, 900)
seen <- c(1, 1, 1, 1, 0, 1, 1, 0)
fit <- concordance(Surv(emergence, seen) ~ geometry)
out("concordance", fit$concordance)
out("concordance_counts", fit$count)
rho_x <- c(3, 1, 4, 1, 5, 9, 2, 6)
rho_y <- c(2, 7, 1, 8, 2, 8, 1, 8)
out("spearman", suppressWarnings(cor.test(rho_x, rho_y, method = "spearman")$estimate))

# --- many claims ------------------------------------------------------------------------------
p <- c(0.0002, 0.04, 0.0101, 0.3, 0.04, 0.9, 0.0004)
out("holm", p.adjust(p, "holm"))
out("benjamini_hochberg", p.adjust(p, "BH"))
