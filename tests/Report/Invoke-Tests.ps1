<#
.SYNOPSIS
    Tests the modules of the report in node, and looks at reports in a browser without a window: pwsh -File tests/Report/Invoke-Tests.ps1
    -Out out -Report out/test-results/Report.tap
#>
[CmdletBinding(PositionalBinding = $false)]
param(
    # The folder that ./build.sh makes, with the module in it.
    [Parameter(Mandatory)] [string] $Out,
    # Gets the results as TAP.
    [Parameter(Mandatory)] [string] $Report
)
Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

# npm writes beside its package file: it works on a copy. The modules of the page are tested without the page as well.
$folder = "$Out/report-tests"
if ([IO.Directory]::Exists("$folder/Page")) { [IO.Directory]::Delete("$folder/Page", $true) }
$null = [IO.Directory]::CreateDirectory("$folder/Page")
foreach ($file in [IO.Directory]::GetFiles($PSScriptRoot)) { [IO.File]::Copy($file, "$folder/$([IO.Path]::GetFileName($file))", $true) }
foreach ($file in [IO.Directory]::GetFiles("$PSScriptRoot/../../src/NixBuildFarm.Core/Reporting/Page", '*.js')) {
    [IO.File]::Copy($file, "$folder/Page/$([IO.Path]::GetFileName($file))", $true)
}
$env:PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = '1'
npm ci --prefix $folder --no-audit --no-fund --loglevel error
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

$env:REPORT_SAMPLES = "$Out/report-samples"
$env:CHROMIUM = (Get-Command chromium -CommandType Application)[0].Source
& "$PSScriptRoot/samples.ps1" "$Out/NixBuildFarm" $env:REPORT_SAMPLES
$reporters = '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', "--test-reporter-destination=$Report"
node --test @reporters "$folder/layout.test.mjs" "$folder/report.test.mjs" "$folder/live.test.mjs"
exit $LASTEXITCODE
