// Generated: saga-tracker monitoring --out deploy/monitoring.
//
//   local saga = (import 'mixin.libsonnet') + { _config+:: { lagWarning: 5000 } };
//   saga.prometheusAlerts, saga.prometheusRules, saga.grafanaDashboards
{
  _config+:: {
    // Which scraped targets are trackers: matchers of labels, as in a selector.
    sagaTrackerSelector: "job=\"saga-tracker\"",
    // Where Grafana is, for dashboard_url.
    grafanaUrl: "http://grafana:3000",
    // Where docs/runbooks/alerts.md can be read, for runbook_url.
    runbookUrl: "https://saga-tracker.example.com/docs/runbooks/alerts.md",
    // Where docs/runbooks/alerts.ko.md can be read, for runbook_url_ko.
    runbookUrlKo: "https://saga-tracker.example.com/docs/runbooks/alerts.ko.md",
    // Where people reach the tracker, for page_url.
    trackerUrl: "http://saga-tracker:8086",
    // How many standard deviations above the mean of the day before make a spike of failures.
    failureSpikeSigma: 3,
    // Failures within five minutes that are no spike, however quiet the day before was.
    failureSpikeFloor: 5,
    // The part of ended sagas that may have failed.
    failureRatio: 0.01,
    // The part of ended sagas that may have been compensated.
    compensationRatio: 0.01,
    // A ratio of the sagas of a type is worth an alert when more than this many of them ended within five minutes.
    ratioMinimumSagas: 20,
    // The 95th percentile of the time from FAILED to COMPENSATED that is slow.
    compensationSlowSeconds: 300,
    // The 95th percentile of the time between two steps that is slow.
    stepSlowSeconds: 5,
    // Events in a day that make a quarter of an hour without any remarkable.
    eventsPerDayMinimum: 1000,
    // The part of ended sagas that the objective allows to fail (99.9 % succeed).
    successBudget: 0.001,
    // The part of measured pairs of steps that may take longer than 5 s.
    delayBudget: 0.01,
    // Records that answers lack, worth a note.
    lagInfo: 100,
    // Records that answers lack, worth a warning.
    lagWarning: 1000,
    // The 95th percentile of the time from the broker to an answer that is slow.
    processingSlowSeconds: 5,
    // The 99th percentile of the time to answer a request that is slow.
    apiSlowSeconds: 1,
    // The part of requests that may be answered with 5xx.
    apiErrorRatio: 0.01,
    // How old the last snapshot may be.
    snapshotMaxAgeSeconds: 7200,
    // How long ago the last search for due sagas may have ended.
    sweepMaxAgeSeconds: 21600,
    // Free bytes on the store's disk that are few.
    diskLowBytes: 2147483648,
    // How long an alert has to be true before it fires, and goes on afterwards.
    pendingFor: {
      SagaFailureSpike: "2m",
      SagaFailureRateHigh: "5m",
      SagaCompensationRateHigh: "5m",
      SagaCompensationOverdue: "5m",
      SagaCompensationFailed: "2m",
      SagaCompensationSlow: "15m",
      SagaPastDeadline: "15m",
      SagaRuleBroken: "2m",
      SagaStepSlow: "5m",
      SagaEventsStopped: "5m",
      SagaSuccessBudgetBurnsFast: "2m",
      SagaSuccessBudgetBurnsSlowly: "15m",
      SagaDelayBudgetBurnsFast: "2m",
      SagaDelayBudgetBurnsSlowly: "15m",
      SagaTrackerDown: "2m",
      SagaTrackerAbsent: "5m",
      SagaTrackerStoreUnreadable: "2m",
      SagaTrackerLagRising: "5m",
      SagaTrackerLagging: "10m",
      SagaTrackerStalled: "5m",
      SagaTrackerProcessingSlow: "5m",
      SagaTrackerConsumptionPaused: "5m",
      SagaTrackerEventsLost: "2m",
      SagaTrackerOffsetsUnexplained: "2m",
      SagaTrackerDeadLettersGrowing: "5m",
      SagaTrackerDeadLettersOpen: "1h",
      SagaTrackerDecisionsStopped: "2m",
      SagaTrackerDecisionsSkipped: "2m",
      SagaTrackerDecisionsPending: "1h",
      SagaTrackerRetentionStalled: "1h",
      SagaTrackerSnapshotOld: "10m",
      SagaTrackerSnapshotFailed: "2m",
      SagaTrackerDiskLow: "10m",
      SagaTrackerDiskFilling: "1h",
      SagaTrackerApiSlow: "10m",
      SagaTrackerApiErrors: "5m",
    },
    keepFiringFor: {
      SagaFailureSpike: "10m",
      SagaFailureRateHigh: "5m",
      SagaCompensationRateHigh: "5m",
      SagaCompensationOverdue: "5m",
      SagaCompensationFailed: "15m",
      SagaCompensationSlow: "15m",
      SagaPastDeadline: "5m",
      SagaRuleBroken: "15m",
      SagaStepSlow: "5m",
      SagaEventsStopped: "5m",
      SagaSuccessBudgetBurnsFast: "15m",
      SagaSuccessBudgetBurnsSlowly: "15m",
      SagaDelayBudgetBurnsFast: "15m",
      SagaDelayBudgetBurnsSlowly: "15m",
      SagaTrackerDown: "5m",
      SagaTrackerAbsent: "5m",
      SagaTrackerStoreUnreadable: "5m",
      SagaTrackerLagRising: "5m",
      SagaTrackerLagging: "5m",
      SagaTrackerStalled: "5m",
      SagaTrackerProcessingSlow: "5m",
      SagaTrackerConsumptionPaused: "5m",
      SagaTrackerEventsLost: "1h",
      SagaTrackerOffsetsUnexplained: "1h",
      SagaTrackerDeadLettersGrowing: "5m",
      SagaTrackerDeadLettersOpen: "5m",
      SagaTrackerDecisionsStopped: "5m",
      SagaTrackerDecisionsSkipped: "1h",
      SagaTrackerDecisionsPending: "5m",
      SagaTrackerRetentionStalled: "5m",
      SagaTrackerSnapshotOld: "5m",
      SagaTrackerSnapshotFailed: "1h",
      SagaTrackerDiskLow: "5m",
      SagaTrackerDiskFilling: "5m",
      SagaTrackerApiSlow: "5m",
      SagaTrackerApiErrors: "5m",
    },
    dashboardTags: ["saga-tracker"],
    dashboardPrefix: "",
    dashboardRefresh: "30s",
  },
  local config = $._config,

  grafanaDashboards+:: {
    "saga-tracker-dashboard.json": (import "dashboards/saga-tracker-dashboard.json") + {
      local configured = {
        "11": {
          "description": "Against the mean of the day before, and %(failureSpikeSigma)s standard deviations above it" % config,
          "targets": [
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_failed:increase5m{job=~\"$job\"})",
              "format": "time_series",
              "instant": false,
              "legendFormat": "failures",
              "range": true,
              "refId": "A",
            },
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_failed_increase5m:avg1d{job=~\"$job\"})",
              "format": "time_series",
              "instant": false,
              "legendFormat": "mean of the day before",
              "range": true,
              "refId": "B",
            },
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_failed_increase5m:avg1d{job=~\"$job\"} + (job:saga_failed_increase5m:stddev1d{job=~\"$job\"} * %(failureSpikeSigma)s))" % config,
              "format": "time_series",
              "instant": false,
              "legendFormat": "%(failureSpikeSigma)s deviations above" % config,
              "range": true,
              "refId": "C",
            },
          ],
        },
        "12": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#EC4A32",
                    "value": config.failureRatio,
                  },
                ],
              },
            },
          },
        },
        "16": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.compensationRatio,
                  },
                ],
              },
            },
          },
        },
        "21": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.stepSlowSeconds,
                  },
                ],
              },
            },
          },
        },
        "23": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.lagInfo,
                  },
                  {
                    "color": "#EC4A32",
                    "value": config.lagWarning,
                  },
                ],
              },
            },
          },
        },
        "32": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#EC4A32",
                    "value": config.apiErrorRatio,
                  },
                ],
              },
            },
          },
        },
        "34": {
          "description": "The part of ended sagas that did not fail; the objective lets a part of %(successBudget)s fail" % config,
        },
        "36": {
          "description": "The part of measured pairs of steps that took up to 5 s; the objective lets a part of %(delayBudget)s take longer" % config,
        },
        "37": {
          "targets": [
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_failed:ratio_rate1h{job=~\"$job\"} / %(successBudget)s)" % config,
              "format": "time_series",
              "instant": false,
              "legendFormat": "failures, 1 h",
              "range": true,
              "refId": "A",
            },
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_failed:ratio_rate6h{job=~\"$job\"} / %(successBudget)s)" % config,
              "format": "time_series",
              "instant": false,
              "legendFormat": "failures, 6 h",
              "range": true,
              "refId": "B",
            },
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_edge_slow:ratio_rate1h{job=~\"$job\"} / %(delayBudget)s)" % config,
              "format": "time_series",
              "instant": false,
              "legendFormat": "slow steps, 1 h",
              "range": true,
              "refId": "C",
            },
            {
              "datasource": {
                "type": "prometheus",
                "uid": "${datasource}",
              },
              "editorMode": "code",
              "expr": "max (job:saga_edge_slow:ratio_rate6h{job=~\"$job\"} / %(delayBudget)s)" % config,
              "format": "time_series",
              "instant": false,
              "legendFormat": "slow steps, 6 h",
              "range": true,
              "refId": "D",
            },
          ],
        },
        "4": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#EC4A32",
                    "value": config.failureRatio,
                  },
                ],
              },
            },
          },
        },
      },
      local of(panel) = std.get(configured, std.toString(panel.id), {}),
      panels: [std.mergePatch(panel, of(panel)) for panel in super.panels],
      title: config.dashboardPrefix + super.title,
      tags: config.dashboardTags,
      refresh: config.dashboardRefresh,
    },
    "saga-tracker-process-dashboard.json": (import "dashboards/saga-tracker-process-dashboard.json") + {
      local configured = {
        "3": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.lagInfo,
                  },
                  {
                    "color": "#EC4A32",
                    "value": config.lagWarning,
                  },
                ],
              },
            },
          },
        },
        "34": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.apiSlowSeconds,
                  },
                ],
              },
            },
          },
        },
        "8": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.processingSlowSeconds,
                  },
                ],
              },
            },
          },
        },
        "9": {
          "fieldConfig": {
            "defaults": {
              "thresholds": {
                "steps": [
                  {
                    "color": "#8BDDA9",
                    "value": null,
                  },
                  {
                    "color": "#F2A33A",
                    "value": config.lagInfo,
                  },
                  {
                    "color": "#EC4A32",
                    "value": config.lagWarning,
                  },
                ],
              },
            },
          },
        },
      },
      local of(panel) = std.get(configured, std.toString(panel.id), {}),
      panels: [std.mergePatch(panel, of(panel)) for panel in super.panels],
      title: config.dashboardPrefix + super.title,
      tags: config.dashboardTags,
      refresh: config.dashboardRefresh,
    },
  },

  prometheusAlerts+:: {
    groups+: [
      {
        "interval": "30s",
        "name": "saga-tracker.alerts.sagas",
        "rules": [
          {
            "alert": "SagaFailureSpike",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanize }} sagas failed within 5 minutes: more than the mean of the day before and %(failureSpikeSigma)s standard deviations, and more than %(failureSpikeFloor)s." % config,
              "description_ko": "최근 5분 동안 사가 {{ $value | humanize }}건이 실패했습니다. 지난 하루 평균에 표준편차의 %(failureSpikeSigma)s배를 더한 값과 %(failureSpikeFloor)s건을 모두 넘었습니다." % config,
              "page_url": "%(trackerUrl)s/ui/search?status=FAILED&sort=updatedAt,desc" % config,
              "runbook_url": "%(runbookUrl)s#sagafailurespike" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagafailurespike" % config,
              "summary": "Many more sagas fail than yesterday",
              "summary_ko": "사가 실패가 어제보다 크게 늘었습니다",
            },
            "expr": "(job:saga_failed:increase5m > (job:saga_failed_increase5m:avg1d + (job:saga_failed_increase5m:stddev1d * %(failureSpikeSigma)s)))\nand\n(job:saga_failed:increase5m > %(failureSpikeFloor)s)" % config,
            "for": config.pendingFor.SagaFailureSpike,
            "keep_firing_for": config.keepFiringFor.SagaFailureSpike,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaFailureRateHigh",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanizePercentage }} of the {{ $labels.saga_type }} sagas that ended within 5 minutes failed; up to {{ %(failureRatio)s | humanizePercentage }} are accepted." % config,
              "description_ko": "최근 5분 동안 끝난 {{ $labels.saga_type }} 사가의 {{ $value | humanizePercentage }}가 실패했습니다. 허용 비율은 {{ %(failureRatio)s | humanizePercentage }}입니다." % config,
              "page_url": "%(trackerUrl)s/ui/search?status=FAILED&sort=updatedAt,desc{{ if ne $labels.saga_type \"other\" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}" % config,
              "runbook_url": "%(runbookUrl)s#sagafailureratehigh" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagafailureratehigh" % config,
              "summary": "Too many sagas of type {{ $labels.saga_type }} fail",
              "summary_ko": "{{ $labels.saga_type }} 사가의 실패율이 높습니다",
            },
            "expr": "(job_saga_type:saga_failed:ratio_rate5m > %(failureRatio)s)\nand\n(job_saga_type:saga_ended:increase5m > %(ratioMinimumSagas)s)" % config,
            "for": config.pendingFor.SagaFailureRateHigh,
            "keep_firing_for": config.keepFiringFor.SagaFailureRateHigh,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaCompensationRateHigh",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "Compensated sagas were {{ $value | humanizePercentage }} of the {{ $labels.saga_type }} sagas that ended within 5 minutes; up to {{ %(compensationRatio)s | humanizePercentage }} are accepted." % config,
              "description_ko": "최근 5분 동안 끝난 {{ $labels.saga_type }} 사가 대비 보상된 비율이 {{ $value | humanizePercentage }}입니다. 허용 비율은 {{ %(compensationRatio)s | humanizePercentage }}입니다." % config,
              "page_url": "%(trackerUrl)s/ui/search?status=COMPENSATED&sort=updatedAt,desc{{ if ne $labels.saga_type \"other\" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}" % config,
              "runbook_url": "%(runbookUrl)s#sagacompensationratehigh" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagacompensationratehigh" % config,
              "summary": "Too many sagas of type {{ $labels.saga_type }} are compensated",
              "summary_ko": "{{ $labels.saga_type }} 사가의 보상 비율이 높습니다",
            },
            "expr": "(job_saga_type:saga_compensated:ratio_rate5m > %(compensationRatio)s)\nand\n(job_saga_type:saga_ended:increase5m > %(ratioMinimumSagas)s)" % config,
            "for": config.pendingFor.SagaCompensationRateHigh,
            "keep_firing_for": config.keepFiringFor.SagaCompensationRateHigh,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaCompensationOverdue",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanize }} {{ $labels.saga_type }} sagas failed, owe a compensation, and are past the time that their definition gives for it. The objective is that all are compensated.",
              "description_ko": "{{ $labels.saga_type }} 사가 {{ $value | humanize }}건이 실패한 뒤 정의된 보상 기한이 지나도록 보상되지 않았습니다. 목표는 100% 보상입니다.",
              "page_url": "%(trackerUrl)s/ui/search?stuck=COMPENSATION_OVERDUE{{ if ne $labels.saga_type \"other\" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}" % config,
              "runbook_url": "%(runbookUrl)s#sagacompensationoverdue" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagacompensationoverdue" % config,
              "summary": "Failed sagas of type {{ $labels.saga_type }} are not compensated in time",
              "summary_ko": "{{ $labels.saga_type }} 사가의 보상 기한이 초과되었습니다",
            },
            "expr": "max by (job, saga_type) (saga_tracker_uncompensated_overdue{%(sagaTrackerSelector)s}) > 0" % config,
            "for": config.pendingFor.SagaCompensationOverdue,
            "keep_firing_for": config.keepFiringFor.SagaCompensationOverdue,
            "labels": {
              "severity": "critical",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaCompensationFailed",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "A compensating step of {{ $labels.saga_type }} sagas reported FAILED {{ $value | humanize }} times within 15 minutes. What was done before is still done.",
              "description_ko": "최근 15분 동안 {{ $labels.saga_type }} 사가의 보상 단계가 {{ $value | humanize }}회 FAILED로 보고되었습니다. 앞서 처리된 내용이 되돌려지지 않은 상태입니다.",
              "page_url": "%(trackerUrl)s/ui/search?rule=COMPENSATION_FAILED{{ if ne $labels.saga_type \"other\" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}" % config,
              "runbook_url": "%(runbookUrl)s#sagacompensationfailed" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagacompensationfailed" % config,
              "summary": "A compensation of a {{ $labels.saga_type }} saga failed",
              "summary_ko": "{{ $labels.saga_type }} 사가의 보상 트랜잭션이 실패했습니다",
            },
            "expr": "max by (job, saga_type) (increase(saga_tracker_compensations_failed_total{%(sagaTrackerSelector)s}[15m])) > 0" % config,
            "for": config.pendingFor.SagaCompensationFailed,
            "keep_firing_for": config.keepFiringFor.SagaCompensationFailed,
            "labels": {
              "severity": "critical",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaCompensationSlow",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "Of the compensations within 30 minutes one in twenty took longer than {{ $value | humanizeDuration }}; %(compensationSlowSeconds)s s are accepted." % config,
              "description_ko": "최근 30분 보상 소요 시간의 95백분위가 {{ $value | humanizeDuration }}입니다. 기준은 %(compensationSlowSeconds)s초입니다." % config,
              "page_url": "%(trackerUrl)s/ui/search?status=COMPENSATED&sort=updatedAt,desc" % config,
              "runbook_url": "%(runbookUrl)s#sagacompensationslow" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagacompensationslow" % config,
              "summary": "Compensations take long",
              "summary_ko": "보상이 오래 걸리고 있습니다",
            },
            "expr": "histogram_quantile(0.95, max by (job, le) (rate(saga_compensation_duration_seconds_bucket{%(sagaTrackerSelector)s}[30m]))) > %(compensationSlowSeconds)s" % config,
            "for": config.pendingFor.SagaCompensationSlow,
            "keep_firing_for": config.keepFiringFor.SagaCompensationSlow,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaPastDeadline",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanize }} {{ $labels.saga_type }} sagas are under way past the deadline of their definition.",
              "description_ko": "{{ $labels.saga_type }} 사가 {{ $value | humanize }}건이 정의된 기한을 넘기고도 진행 중입니다.",
              "page_url": "%(trackerUrl)s/ui/search?stuck=PAST_DEADLINE{{ if ne $labels.saga_type \"other\" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}" % config,
              "runbook_url": "%(runbookUrl)s#sagapastdeadline" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagapastdeadline" % config,
              "summary": "Sagas of type {{ $labels.saga_type }} are stuck",
              "summary_ko": "{{ $labels.saga_type }} 사가가 멈춰 있습니다",
            },
            "expr": "max by (job, saga_type) (saga_tracker_past_deadline{%(sagaTrackerSelector)s}) > 0" % config,
            "for": config.pendingFor.SagaPastDeadline,
            "keep_firing_for": config.keepFiringFor.SagaPastDeadline,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaRuleBroken",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanize }} more {{ $labels.saga_type }} sagas than an hour ago break the rule {{ $labels.rule }} of their definition.",
              "description_ko": "정의된 규칙 {{ $labels.rule }}을(를) 어긴 {{ $labels.saga_type }} 사가가 한 시간 전보다 {{ $value | humanize }}건 늘었습니다.",
              "page_url": "%(trackerUrl)s/ui/search?rule={{ $labels.rule | urlquery }}{{ if ne $labels.saga_type \"other\" }}&sagaType={{ $labels.saga_type | urlquery }}{{ end }}" % config,
              "runbook_url": "%(runbookUrl)s#sagarulebroken" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagarulebroken" % config,
              "summary": "Sagas of type {{ $labels.saga_type }} break {{ $labels.rule }}",
              "summary_ko": "{{ $labels.saga_type }} 사가의 규칙 위반: {{ $labels.rule }}",
            },
            "expr": "max by (job, saga_type, rule) (delta(saga_tracker_conformance_violations{%(sagaTrackerSelector)s, rule!=\"NEVER_COMPENSATED\"}[1h])) > 0" % config,
            "for": config.pendingFor.SagaRuleBroken,
            "keep_firing_for": config.keepFiringFor.SagaRuleBroken,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaStepSlow",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "From the first of these steps to the second one in twenty sagas took longer than {{ $value | humanizeDuration }} within 15 minutes; %(stepSlowSeconds)s s are accepted." % config,
              "description_ko": "최근 15분 동안 두 단계 사이 소요 시간의 95백분위가 {{ $value | humanizeDuration }}입니다. 기준은 %(stepSlowSeconds)s초입니다." % config,
              "runbook_url": "%(runbookUrl)s#sagastepslow" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagastepslow" % config,
              "summary": "{{ $labels.edge }} takes long",
              "summary_ko": "{{ $labels.edge }} 구간이 느립니다",
            },
            "expr": "histogram_quantile(0.95, max by (job, edge, le) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s}[15m]))) > %(stepSlowSeconds)s" % config,
            "for": config.pendingFor.SagaStepSlow,
            "keep_firing_for": config.keepFiringFor.SagaStepSlow,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaEventsStopped",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "Nothing was reported for 15 minutes, though there were more than %(eventsPerDayMinimum)s events in the day before." % config,
              "description_ko": "지난 하루에는 이벤트가 %(eventsPerDayMinimum)s건 넘게 있었지만 최근 15분 동안에는 하나도 없습니다." % config,
              "runbook_url": "%(runbookUrl)s#sagaeventsstopped" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagaeventsstopped" % config,
              "summary": "No saga reports anything",
              "summary_ko": "사가 이벤트가 들어오지 않습니다",
            },
            "expr": "(sum by (job) (max by (job, step, status) (increase(saga_events_processed_total{%(sagaTrackerSelector)s}[15m]))) == 0)\nand\n(sum by (job) (max by (job, step, status) (increase(saga_events_processed_total{%(sagaTrackerSelector)s}[1d] offset 15m))) > %(eventsPerDayMinimum)s)" % config,
            "for": config.pendingFor.SagaEventsStopped,
            "keep_firing_for": config.keepFiringFor.SagaEventsStopped,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaSuccessBudgetBurnsFast",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanizePercentage }} of the sagas that ended failed; the objective allows {{ %(successBudget)s | humanizePercentage }}." % config,
              "description_ko": "끝난 사가의 {{ $value | humanizePercentage }}가 실패했습니다. 목표가 허용하는 비율은 {{ %(successBudget)s | humanizePercentage }}입니다." % config,
              "page_url": "%(trackerUrl)s/ui/search?status=FAILED&sort=updatedAt,desc" % config,
              "runbook_url": "%(runbookUrl)s#sagasuccessbudgetburnsfast" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagasuccessbudgetburnsfast" % config,
              "summary": "Failures use up the 30-day error budget within days",
              "summary_ko": "성공률 목표의 오류 예산이 빠르게 소진되고 있습니다",
            },
            "expr": "((job:saga_failed:ratio_rate1h > (%(successBudget)s * 14.4))\nand\n(job:saga_failed:ratio_rate5m > (%(successBudget)s * 14.4)))\nor\n((job:saga_failed:ratio_rate6h > (%(successBudget)s * 6))\nand\n(job:saga_failed:ratio_rate30m > (%(successBudget)s * 6)))" % config,
            "for": config.pendingFor.SagaSuccessBudgetBurnsFast,
            "keep_firing_for": config.keepFiringFor.SagaSuccessBudgetBurnsFast,
            "labels": {
              "severity": "critical",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaSuccessBudgetBurnsSlowly",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanizePercentage }} of the sagas that ended over the last days failed; the objective allows {{ %(successBudget)s | humanizePercentage }}." % config,
              "description_ko": "최근 며칠 동안 끝난 사가의 {{ $value | humanizePercentage }}가 실패했습니다. 목표가 허용하는 비율은 {{ %(successBudget)s | humanizePercentage }}입니다." % config,
              "page_url": "%(trackerUrl)s/ui/search?status=FAILED&sort=updatedAt,desc" % config,
              "runbook_url": "%(runbookUrl)s#sagasuccessbudgetburnsslowly" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagasuccessbudgetburnsslowly" % config,
              "summary": "Failures use up the 30-day error budget before the period ends",
              "summary_ko": "성공률 목표의 30일 오류 예산이 기간이 끝나기 전에 소진될 추세입니다",
            },
            "expr": "((job:saga_failed:ratio_rate1d > (%(successBudget)s * 3))\nand\n(job:saga_failed:ratio_rate2h > (%(successBudget)s * 3)))\nor\n((job:saga_failed:ratio_rate3d > (%(successBudget)s * 1))\nand\n(job:saga_failed:ratio_rate6h > (%(successBudget)s * 1)))" % config,
            "for": config.pendingFor.SagaSuccessBudgetBurnsSlowly,
            "keep_firing_for": config.keepFiringFor.SagaSuccessBudgetBurnsSlowly,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaDelayBudgetBurnsFast",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanizePercentage }} of the measured pairs of steps took longer than 5 s; the objective allows {{ %(delayBudget)s | humanizePercentage }}." % config,
              "description_ko": "측정된 단계 쌍의 {{ $value | humanizePercentage }}가 5초를 넘었습니다. 목표가 허용하는 비율은 {{ %(delayBudget)s | humanizePercentage }}입니다." % config,
              "runbook_url": "%(runbookUrl)s#sagadelaybudgetburnsfast" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagadelaybudgetburnsfast" % config,
              "summary": "Slow steps use up the 30-day error budget within days",
              "summary_ko": "지연 목표의 오류 예산이 빠르게 소진되고 있습니다",
            },
            "expr": "((job:saga_edge_slow:ratio_rate1h > (%(delayBudget)s * 14.4))\nand\n(job:saga_edge_slow:ratio_rate5m > (%(delayBudget)s * 14.4)))\nor\n((job:saga_edge_slow:ratio_rate6h > (%(delayBudget)s * 6))\nand\n(job:saga_edge_slow:ratio_rate30m > (%(delayBudget)s * 6)))" % config,
            "for": config.pendingFor.SagaDelayBudgetBurnsFast,
            "keep_firing_for": config.keepFiringFor.SagaDelayBudgetBurnsFast,
            "labels": {
              "severity": "critical",
              "subject": "sagas",
            },
          },
          {
            "alert": "SagaDelayBudgetBurnsSlowly",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-sagas" % config,
              "description": "{{ $value | humanizePercentage }} of the measured pairs of steps took longer than 5 s over the last days; the objective allows {{ %(delayBudget)s | humanizePercentage }}." % config,
              "description_ko": "최근 며칠 동안 측정된 단계 쌍의 {{ $value | humanizePercentage }}가 5초를 넘었습니다. 목표가 허용하는 비율은 {{ %(delayBudget)s | humanizePercentage }}입니다." % config,
              "runbook_url": "%(runbookUrl)s#sagadelaybudgetburnsslowly" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagadelaybudgetburnsslowly" % config,
              "summary": "Slow steps use up the 30-day error budget before the period ends",
              "summary_ko": "지연 목표의 30일 오류 예산이 기간이 끝나기 전에 소진될 추세입니다",
            },
            "expr": "((job:saga_edge_slow:ratio_rate1d > (%(delayBudget)s * 3))\nand\n(job:saga_edge_slow:ratio_rate2h > (%(delayBudget)s * 3)))\nor\n((job:saga_edge_slow:ratio_rate3d > (%(delayBudget)s * 1))\nand\n(job:saga_edge_slow:ratio_rate6h > (%(delayBudget)s * 1)))" % config,
            "for": config.pendingFor.SagaDelayBudgetBurnsSlowly,
            "keep_firing_for": config.keepFiringFor.SagaDelayBudgetBurnsSlowly,
            "labels": {
              "severity": "warning",
              "subject": "sagas",
            },
          },
        ],
      },
      {
        "interval": "30s",
        "name": "saga-tracker.alerts.tracker",
        "rules": [
          {
            "alert": "SagaTrackerDown",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "Prometheus could not scrape {{ $labels.instance }} for 2 minutes. Nothing is lost: what it does not read waits in Kafka.",
              "description_ko": "Prometheus가 2분 동안 {{ $labels.instance }}에서 지표를 수집하지 못했습니다. 읽지 못한 이벤트는 Kafka에 남아 있으므로 유실되지 않습니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerdown" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdown" % config,
              "summary": "The tracker {{ $labels.instance }} does not answer",
              "summary_ko": "트래커 {{ $labels.instance }}이(가) 응답하지 않습니다",
            },
            "expr": "up{%(sagaTrackerSelector)s} == 0" % config,
            "for": config.pendingFor.SagaTrackerDown,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDown,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerAbsent",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "There is no target that the rules' selector means. Either it is not scraped any more, or the selector is wrong; until then no other alert can fire.",
              "description_ko": "규칙의 선택자에 해당하는 수집 대상이 없습니다. 수집이 중단되었거나 선택자가 잘못되었습니다. 해결될 때까지 다른 알림도 발생할 수 없습니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerabsent" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerabsent" % config,
              "summary": "Prometheus knows of no tracker",
              "summary_ko": "Prometheus에 등록된 트래커가 없습니다",
            },
            "expr": "absent(up{%(sagaTrackerSelector)s})" % config,
            "for": config.pendingFor.SagaTrackerAbsent,
            "keep_firing_for": config.keepFiringFor.SagaTrackerAbsent,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerStoreUnreadable",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "The store refuses reads. Metrics that derive from it are left out until it answers again.",
              "description_ko": "저장소가 읽기를 거부하고 있습니다. 다시 읽을 수 있을 때까지 저장소에서 나오는 지표는 제공되지 않습니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerstoreunreadable" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerstoreunreadable" % config,
              "summary": "The store of {{ $labels.instance }} cannot be read",
              "summary_ko": "{{ $labels.instance }}의 저장소를 읽을 수 없습니다",
            },
            "expr": "saga_tracker_store_readable{%(sagaTrackerSelector)s} == 0" % config,
            "for": config.pendingFor.SagaTrackerStoreUnreadable,
            "keep_firing_for": config.keepFiringFor.SagaTrackerStoreUnreadable,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerLagRising",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "Answers lack {{ $value | humanize }} records that are in the topic, more than %(lagInfo)s for 5 minutes." % config,
              "description_ko": "토픽에 있지만 아직 반영되지 않은 레코드가 {{ $value | humanize }}건입니다. 5분 동안 %(lagInfo)s건을 넘었습니다." % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerlagrising" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerlagrising" % config,
              "summary": "{{ $labels.instance }} lags a little",
              "summary_ko": "{{ $labels.instance }}의 컨슈머 지연이 늘고 있습니다",
            },
            "expr": "saga_tracker_consumer_lag{%(sagaTrackerSelector)s} > %(lagInfo)s" % config,
            "for": config.pendingFor.SagaTrackerLagRising,
            "keep_firing_for": config.keepFiringFor.SagaTrackerLagRising,
            "labels": {
              "severity": "info",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerLagging",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "Answers lack {{ $value | humanize }} records that are in the topic, more than %(lagWarning)s for 10 minutes." % config,
              "description_ko": "토픽에 있지만 아직 반영되지 않은 레코드가 {{ $value | humanize }}건입니다. 10분 동안 %(lagWarning)s건을 넘었습니다." % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerlagging" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerlagging" % config,
              "summary": "{{ $labels.instance }} lags behind",
              "summary_ko": "{{ $labels.instance }}의 컨슈머 지연이 큽니다",
            },
            "expr": "saga_tracker_consumer_lag{%(sagaTrackerSelector)s} > %(lagWarning)s" % config,
            "for": config.pendingFor.SagaTrackerLagging,
            "keep_firing_for": config.keepFiringFor.SagaTrackerLagging,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerStalled",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} records wait in partition {{ $labels.partition }}, and nothing of it was consumed for 10 minutes.",
              "description_ko": "파티션 {{ $labels.partition }}에 레코드 {{ $value | humanize }}건이 대기 중이지만 10분 동안 전혀 소비되지 않았습니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerstalled" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerstalled" % config,
              "summary": "{{ $labels.instance }} does not get on with partition {{ $labels.partition }}",
              "summary_ko": "{{ $labels.instance }}의 파티션 {{ $labels.partition }} 소비가 멈췄습니다",
            },
            "expr": "(saga_tracker_consumer_partition_lag{%(sagaTrackerSelector)s} > 0)\nand\n(changes(saga_tracker_consumer_offset{%(sagaTrackerSelector)s}[10m]) == 0)" % config,
            "for": config.pendingFor.SagaTrackerStalled,
            "keep_firing_for": config.keepFiringFor.SagaTrackerStalled,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerProcessingSlow",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "One in twenty events took longer than {{ $value | humanizeDuration }} from the broker to an answer; %(processingSlowSeconds)s s are accepted." % config,
              "description_ko": "브로커에서 조회 결과에 반영되기까지 걸린 시간의 95백분위가 {{ $value | humanizeDuration }}입니다. 기준은 %(processingSlowSeconds)s초입니다." % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerprocessingslow" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerprocessingslow" % config,
              "summary": "{{ $labels.instance }} takes long until answers show an event",
              "summary_ko": "{{ $labels.instance }}의 이벤트 처리가 느립니다",
            },
            "expr": "histogram_quantile(0.95, sum by (job, instance, le) (rate(saga_tracker_event_delay_seconds_bucket{%(sagaTrackerSelector)s, stage=\"tracker\"}[5m]))) > %(processingSlowSeconds)s" % config,
            "for": config.pendingFor.SagaTrackerProcessingSlow,
            "keep_firing_for": config.keepFiringFor.SagaTrackerProcessingSlow,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerConsumptionPaused",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "Less than store.min_free_bytes is free on the disk under the store. Nothing is lost as long as the topic keeps what waits.",
              "description_ko": "저장소 디스크의 여유 공간이 store.min_free_bytes보다 적습니다. 토픽이 레코드를 보존하는 동안에는 유실되지 않습니다.",
              "page_url": "%(trackerUrl)s/ui/ops/health" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerconsumptionpaused" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerconsumptionpaused" % config,
              "summary": "{{ $labels.instance }} has stopped reading: its disk is nearly full",
              "summary_ko": "{{ $labels.instance }}의 디스크가 부족하여 소비가 중단되었습니다",
            },
            "expr": "(saga_tracker_consumption_paused{%(sagaTrackerSelector)s} == 1)\nor\n(saga_tracker_ops_paused{%(sagaTrackerSelector)s} == 1)" % config,
            "for": config.pendingFor.SagaTrackerConsumptionPaused,
            "keep_firing_for": config.keepFiringFor.SagaTrackerConsumptionPaused,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerEventsLost",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "The topic's retention removed {{ $value | humanize }} offsets before they were consumed: they are lost to this store.",
              "description_ko": "토픽 보존 기간이 지나 오프셋 {{ $value | humanize }}개가 소비되기 전에 삭제되었습니다. 이 저장소에는 남아 있지 않습니다.",
              "page_url": "%(trackerUrl)s/ui/ops/ledger" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackereventslost" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackereventslost" % config,
              "summary": "Events expired before {{ $labels.instance }} read them",
              "summary_ko": "{{ $labels.instance }}이(가) 읽기 전에 이벤트가 만료되었습니다",
            },
            "expr": "increase(saga_tracker_offsets_lost_total{%(sagaTrackerSelector)s}[1h]) > 0" % config,
            "for": config.pendingFor.SagaTrackerEventsLost,
            "keep_firing_for": config.keepFiringFor.SagaTrackerEventsLost,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerOffsetsUnexplained",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} offsets were not delivered, and nobody knows why; an hour ago there were fewer.",
              "description_ko": "오프셋 {{ $value | humanize }}개가 전달되지 않았고 그 이유를 알 수 없습니다. 한 시간 전보다 늘었습니다.",
              "page_url": "%(trackerUrl)s/ui/ops/ledger" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackeroffsetsunexplained" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackeroffsetsunexplained" % config,
              "summary": "Offsets of which {{ $labels.instance }} cannot say what became of them",
              "summary_ko": "{{ $labels.instance }}에 미확인 오프셋이 있습니다",
            },
            "expr": "(saga_tracker_ledger_unexplained_offsets{%(sagaTrackerSelector)s} > 0)\nunless\n(saga_tracker_ledger_unexplained_offsets{%(sagaTrackerSelector)s} <= last_over_time(saga_tracker_ledger_unexplained_offsets{%(sagaTrackerSelector)s}[1d] offset 1h))" % config,
            "for": config.pendingFor.SagaTrackerOffsetsUnexplained,
            "keep_firing_for": config.keepFiringFor.SagaTrackerOffsetsUnexplained,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDeadLettersGrowing",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} dead letters of this reason are open, more than half an hour ago. A producer sends what cannot be applied.",
              "description_ko": "이 사유의 미처리 데드 레터가 {{ $value | humanize }}건으로 30분 전보다 늘었습니다. 적용할 수 없는 레코드를 보내는 프로듀서가 있습니다.",
              "page_url": "%(trackerUrl)s/ui/dead-letters?state=open&reason={{ $labels.reason | urlquery }}" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerdeadlettersgrowing" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdeadlettersgrowing" % config,
              "summary": "Dead letters pile up: {{ $labels.reason }}",
              "summary_ko": "데드 레터가 늘고 있습니다: {{ $labels.reason }}",
            },
            "expr": "(max by (job, reason) (saga_tracker_dead_letters_open{%(sagaTrackerSelector)s}) > 0)\nunless\n(max by (job, reason) (saga_tracker_dead_letters_open{%(sagaTrackerSelector)s}) <= max by (job, reason) (saga_tracker_dead_letters_open{%(sagaTrackerSelector)s} offset 30m))" % config,
            "for": config.pendingFor.SagaTrackerDeadLettersGrowing,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDeadLettersGrowing,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDeadLettersOpen",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} dead letters of this reason have been open for an hour: their events are in no saga.",
              "description_ko": "이 사유의 데드 레터 {{ $value | humanize }}건이 한 시간째 미처리 상태입니다. 해당 이벤트는 어떤 사가에도 반영되지 않았습니다.",
              "page_url": "%(trackerUrl)s/ui/dead-letters?state=open&reason={{ $labels.reason | urlquery }}" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerdeadlettersopen" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdeadlettersopen" % config,
              "summary": "Dead letters wait to be settled: {{ $labels.reason }}",
              "summary_ko": "처리를 기다리는 데드 레터가 있습니다: {{ $labels.reason }}",
            },
            "expr": "max by (job, reason) (saga_tracker_dead_letters_open{%(sagaTrackerSelector)s}) > 0" % config,
            "for": config.pendingFor.SagaTrackerDeadLettersOpen,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDeadLettersOpen,
            "labels": {
              "severity": "info",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDecisionsStopped",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "Holds, purges, restores and definitions do not reach this replica until somebody does something; health says what.",
              "description_ko": "삭제 보류, 삭제, 복원, 정의 변경이 이 복제본에 반영되지 않습니다. 조치가 필요하며 health에 이유가 나와 있습니다.",
              "page_url": "%(trackerUrl)s/ui/ops/health" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerdecisionsstopped" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdecisionsstopped" % config,
              "summary": "{{ $labels.instance }} reads or applies no decisions any more",
              "summary_ko": "{{ $labels.instance }}이(가) 결정을 더 이상 적용하지 않습니다",
            },
            "expr": "(saga_tracker_ops_stopped{%(sagaTrackerSelector)s} == 1)\nor\n(saga_tracker_retention_stopped{%(sagaTrackerSelector)s} == 1)" % config,
            "for": config.pendingFor.SagaTrackerDecisionsStopped,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDecisionsStopped,
            "labels": {
              "severity": "critical",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDecisionsSkipped",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} decisions to purge or restore could not be applied and were skipped for good. Replicas may differ now.",
              "description_ko": "삭제 또는 복원 결정 {{ $value | humanize }}건을 적용할 수 없어 건너뛰었습니다. 복제본 간에 차이가 생겼을 수 있습니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerdecisionsskipped" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdecisionsskipped" % config,
              "summary": "{{ $labels.instance }} skipped decisions: {{ $labels.reason }}",
              "summary_ko": "{{ $labels.instance }}이(가) 결정을 건너뛰었습니다: {{ $labels.reason }}",
            },
            "expr": "increase(saga_tracker_retention_skipped_decisions_total{%(sagaTrackerSelector)s}[1h]) > 0" % config,
            "for": config.pendingFor.SagaTrackerDecisionsSkipped,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDecisionsSkipped,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDecisionsPending",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} decisions are read and not applied yet: what they name is still there.",
              "description_ko": "읽었지만 아직 적용되지 않은 결정이 {{ $value | humanize }}건입니다. 대상 사가는 아직 그대로 있습니다.",
              "page_url": "%(trackerUrl)s/ui/ops/retention" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerdecisionspending" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdecisionspending" % config,
              "summary": "{{ $labels.instance }} has had decisions to apply for an hour",
              "summary_ko": "{{ $labels.instance }}에 한 시간째 적용되지 않은 결정이 있습니다",
            },
            "expr": "saga_tracker_retention_pending_decisions{%(sagaTrackerSelector)s} > 0" % config,
            "for": config.pendingFor.SagaTrackerDecisionsPending,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDecisionsPending,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerRetentionStalled",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "The search for due sagas waits, or none came to its end for longer than %(sweepMaxAgeSeconds)s s." % config,
              "description_ko": "삭제 대상 사가 탐색이 대기 중이거나 %(sweepMaxAgeSeconds)s초 넘게 끝나지 않았습니다." % config,
              "page_url": "%(trackerUrl)s/ui/ops/retention" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerretentionstalled" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerretentionstalled" % config,
              "summary": "Retention of {{ $labels.instance }} does not progress",
              "summary_ko": "{{ $labels.instance }}의 보존 규칙 적용이 진행되지 않습니다",
            },
            "expr": "(((time() - saga_tracker_retention_last_sweep_timestamp_seconds{%(sagaTrackerSelector)s}) > %(sweepMaxAgeSeconds)s)\nand\n(saga_tracker_retention_last_sweep_timestamp_seconds{%(sagaTrackerSelector)s} > 0))\nor\n(saga_tracker_retention_waiting{%(sagaTrackerSelector)s} == 1)" % config,
            "for": config.pendingFor.SagaTrackerRetentionStalled,
            "keep_firing_for": config.keepFiringFor.SagaTrackerRetentionStalled,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerSnapshotOld",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "It was made {{ $value | humanizeDuration }} ago; %(snapshotMaxAgeSeconds)s s are accepted. What is not in a snapshot must still be in the topic." % config,
              "description_ko": "마지막 스냅샷이 {{ $value | humanizeDuration }} 전에 만들어졌습니다. 기준은 %(snapshotMaxAgeSeconds)s초입니다. 스냅샷에 없는 이벤트는 토픽에 남아 있어야 합니다." % config,
              "page_url": "%(trackerUrl)s/ui/ops/snapshots" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackersnapshotold" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackersnapshotold" % config,
              "summary": "The last snapshot of {{ $labels.instance }} is old",
              "summary_ko": "{{ $labels.instance }}의 스냅샷이 오래되었습니다",
            },
            "expr": "((time() - saga_tracker_snapshot_last_success_timestamp_seconds{%(sagaTrackerSelector)s}) > %(snapshotMaxAgeSeconds)s)\nand\n(saga_tracker_snapshot_last_success_timestamp_seconds{%(sagaTrackerSelector)s} > 0)" % config,
            "for": config.pendingFor.SagaTrackerSnapshotOld,
            "keep_firing_for": config.keepFiringFor.SagaTrackerSnapshotOld,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerSnapshotFailed",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize }} snapshots failed within an hour; the log says why.",
              "description_ko": "최근 한 시간 동안 스냅샷이 {{ $value | humanize }}회 실패했습니다. 이유는 로그에 있습니다.",
              "page_url": "%(trackerUrl)s/ui/ops/snapshots" % config,
              "runbook_url": "%(runbookUrl)s#sagatrackersnapshotfailed" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackersnapshotfailed" % config,
              "summary": "A snapshot of {{ $labels.instance }} failed",
              "summary_ko": "{{ $labels.instance }}의 스냅샷 생성이 실패했습니다",
            },
            "expr": "sum by (job, instance) (increase(saga_tracker_snapshots_total{%(sagaTrackerSelector)s, result=\"failure\"}[1h])) > 0" % config,
            "for": config.pendingFor.SagaTrackerSnapshotFailed,
            "keep_firing_for": config.keepFiringFor.SagaTrackerSnapshotFailed,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDiskLow",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanize1024 }}B are free under the store. Below store.min_free_bytes it stops reading.",
              "description_ko": "저장소 디스크에 {{ $value | humanize1024 }}B가 남아 있습니다. store.min_free_bytes 아래로 내려가면 소비가 중단됩니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerdisklow" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdisklow" % config,
              "summary": "The disk of {{ $labels.instance }} is low",
              "summary_ko": "{{ $labels.instance }}의 디스크 여유가 적습니다",
            },
            "expr": "saga_tracker_store_free_bytes{%(sagaTrackerSelector)s} < %(diskLowBytes)s" % config,
            "for": config.pendingFor.SagaTrackerDiskLow,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDiskLow,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerDiskFilling",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "If it goes on like during the last 6 hours, nothing is free in two days.",
              "description_ko": "최근 6시간의 추세가 이어지면 이틀 안에 여유 공간이 없어집니다.",
              "runbook_url": "%(runbookUrl)s#sagatrackerdiskfilling" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerdiskfilling" % config,
              "summary": "The disk of {{ $labels.instance }} will be full within two days",
              "summary_ko": "{{ $labels.instance }}의 디스크가 이틀 안에 가득 찹니다",
            },
            "expr": "predict_linear(saga_tracker_store_free_bytes{%(sagaTrackerSelector)s}[6h], 172800) < 0" % config,
            "for": config.pendingFor.SagaTrackerDiskFilling,
            "keep_firing_for": config.keepFiringFor.SagaTrackerDiskFilling,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerApiSlow",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "One in a hundred requests took longer than {{ $value | humanizeDuration }}; %(apiSlowSeconds)s s are accepted." % config,
              "description_ko": "응답 시간의 99백분위가 {{ $value | humanizeDuration }}입니다. 기준은 %(apiSlowSeconds)s초입니다." % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerapislow" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerapislow" % config,
              "summary": "{{ $labels.endpoint }} answers slowly",
              "summary_ko": "{{ $labels.endpoint }} 응답이 느립니다",
            },
            "expr": "histogram_quantile(0.99, sum by (job, endpoint, le) (rate(saga_tracker_api_latency_seconds_bucket{%(sagaTrackerSelector)s, endpoint!~\"/api/v1/export/.*|/api/v1/live\"}[5m]))) > %(apiSlowSeconds)s" % config,
            "for": config.pendingFor.SagaTrackerApiSlow,
            "keep_firing_for": config.keepFiringFor.SagaTrackerApiSlow,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
          {
            "alert": "SagaTrackerApiErrors",
            "annotations": {
              "dashboard_url": "%(grafanaUrl)s/d/saga-tracker-process" % config,
              "description": "{{ $value | humanizePercentage }} of the requests were answered with 5xx; up to {{ %(apiErrorRatio)s | humanizePercentage }} are accepted." % config,
              "description_ko": "요청의 {{ $value | humanizePercentage }}가 5xx로 응답되었습니다. 허용 비율은 {{ %(apiErrorRatio)s | humanizePercentage }}입니다." % config,
              "runbook_url": "%(runbookUrl)s#sagatrackerapierrors" % config,
              "runbook_url_ko": "%(runbookUrlKo)s#sagatrackerapierrors" % config,
              "summary": "Requests are answered with errors",
              "summary_ko": "API 오류 비율이 높습니다",
            },
            "expr": "(sum by (job) (rate(saga_tracker_api_latency_seconds_count{%(sagaTrackerSelector)s, endpoint!~\"/actuator/.*\", status=~\"5..\"}[5m])) / sum by (job) (rate(saga_tracker_api_latency_seconds_count{%(sagaTrackerSelector)s, endpoint!~\"/actuator/.*\"}[5m]))) > %(apiErrorRatio)s" % config,
            "for": config.pendingFor.SagaTrackerApiErrors,
            "keep_firing_for": config.keepFiringFor.SagaTrackerApiErrors,
            "labels": {
              "severity": "warning",
              "subject": "tracker",
            },
          },
        ],
      },
    ],
  },

  prometheusRules+:: {
    groups+: [
      {
        "interval": "30s",
        "name": "saga-tracker.rates",
        "rules": [
          {
            "expr": "max by (job) (increase(saga_failed_total{%(sagaTrackerSelector)s}[5m]))" % config,
            "record": "job:saga_failed:increase5m",
          },
          {
            "expr": "avg_over_time(job:saga_failed:increase5m[1d] offset 10m)",
            "record": "job:saga_failed_increase5m:avg1d",
          },
          {
            "expr": "stddev_over_time(job:saga_failed:increase5m[1d] offset 10m)",
            "record": "job:saga_failed_increase5m:stddev1d",
          },
          {
            "expr": "sum by (job, saga_type) (max by (job, saga_type, status) (increase(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[5m])))" % config,
            "record": "job_saga_type:saga_ended:increase5m",
          },
          {
            "expr": "sum by (job, saga_type) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[5m]))) / sum by (job, saga_type) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[5m])))" % config,
            "record": "job_saga_type:saga_failed:ratio_rate5m",
          },
          {
            "expr": "sum by (job, saga_type) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPENSATED\"}[5m]))) / sum by (job, saga_type) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[5m])))" % config,
            "record": "job_saga_type:saga_compensated:ratio_rate5m",
          },
        ],
      },
      {
        "interval": "1m",
        "name": "saga-tracker.objectives",
        "rules": [
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[5m]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[5m])))" % config,
            "record": "job:saga_failed:ratio_rate5m",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[5m]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[5m]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate5m",
          },
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[30m]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[30m])))" % config,
            "record": "job:saga_failed:ratio_rate30m",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[30m]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[30m]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate30m",
          },
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[1h]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[1h])))" % config,
            "record": "job:saga_failed:ratio_rate1h",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[1h]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[1h]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate1h",
          },
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[2h]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[2h])))" % config,
            "record": "job:saga_failed:ratio_rate2h",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[2h]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[2h]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate2h",
          },
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[6h]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[6h])))" % config,
            "record": "job:saga_failed:ratio_rate6h",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[6h]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[6h]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate6h",
          },
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[1d]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[1d])))" % config,
            "record": "job:saga_failed:ratio_rate1d",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[1d]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[1d]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate1d",
          },
          {
            "expr": "sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"FAILED\"}[3d]))) / sum by (job) (max by (job, saga_type, status) (rate(saga_tracker_sagas_entered_total{%(sagaTrackerSelector)s, status=~\"COMPLETED|FAILED\"}[3d])))" % config,
            "record": "job:saga_failed:ratio_rate3d",
          },
          {
            "expr": "1 - (sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_bucket{%(sagaTrackerSelector)s, le=\"5.0\"}[3d]))) / sum by (job) (max by (job, edge) (rate(saga_tracker_edge_duration_seconds_count{%(sagaTrackerSelector)s}[3d]))))" % config,
            "record": "job:saga_edge_slow:ratio_rate3d",
          },
          {
            "expr": "max by (job) (increase(saga_compensated_total{%(sagaTrackerSelector)s}[30d])) / (max by (job) (increase(saga_compensated_total{%(sagaTrackerSelector)s}[30d])) + sum by (job) (max by (job, saga_type) (saga_tracker_uncompensated_overdue{%(sagaTrackerSelector)s})))" % config,
            "record": "job:saga_compensated:ratio30d",
          },
        ],
      },
    ],
  },
}
