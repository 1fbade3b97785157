@{
    RootModule           = 'NixBuildFarm.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = '6f0f5c52-6d0e-4a53-9a4c-0c6d8a2f7b1e'
    Author               = 'NixBuildFarm contributors'
    CompanyName          = 'NixBuildFarm contributors'
    Copyright            = '(c) NixBuildFarm contributors. MIT license.'
    Description          = 'Builds Nix derivations on many builders at the same time. You choose the builders, this machine among them, for each build.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('NixBuilder.Format.ps1xml', 'NixBuilderTest.Format.ps1xml', 'NixBuildResult.Format.ps1xml', 'NixBuildMeasurement.Format.ps1xml', 'NixBuildPlan.Format.ps1xml', 'NixStorePathCopy.Format.ps1xml', 'NixBuildRun.Format.ps1xml', 'NixBuildComparison.Format.ps1xml', 'NixBuildHistoryImport.Format.ps1xml', 'NixFarm.Format.ps1xml')
    TypesToProcess       = @('NixBuildFarm.Types.ps1xml')
    CmdletsToExport      = @(
        'Clear-NixBuildHistory'
        'Copy-NixStorePath'
        'Export-NixBuildReport'
        'Export-NixBuilder'
        'Get-NixBuild'
        'Get-NixBuildFarm'
        'Get-NixBuildLog'
        'Get-NixBuilder'
        'Get-NixBuilderPolicy'
        'Import-NixBuildHistory'
        'Import-NixBuilder'
        'Invoke-NixDistributedBuild'
        'Measure-NixBuild'
        'Reset-NixBuilderPolicy'
        'Set-NixBuilderPolicy'
        'Start-NixBuildFarm'
        'Stop-NixBuild'
        'Stop-NixBuildFarm'
        'Test-NixBuilder'
        'Test-NixBuilderPolicy'
        'Use-NixBuildFarm'
        'Wait-NixBuild'
        'Watch-NixBuild'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags       = @('Nix', 'NixOS', 'build', 'distributed', 'scheduler', 'Linux')
            LicenseUri = 'https://opensource.org/license/mit'
            ReleaseNotes = 'CHANGELOG.md of the project says what is new.'
        }
    }
}
