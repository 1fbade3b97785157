# The module as its users meet it, in pwsh itself, on a machine whose Nix only names two builders.
BeforeAll {
    Import-Module /opt/NixBuildFarm -Force
    $env:XDG_STATE_HOME = Join-Path $TestDrive 'state'
    $env:XDG_CONFIG_HOME = Join-Path $TestDrive 'config'
    $bin = Join-Path $TestDrive 'bin'
    $null = New-Item -ItemType Directory $bin
    # A machine whose Nix names two builders.
    Set-Content "$TestDrive/machines" @(
        'ssh-ng://ruby x86_64-linux - 2 1 kvm'
        'ssh-ng://kana x86_64-linux,riscv64-linux - 4 2.5'
    )
    $settings = @{ builders = @{ value = "@$TestDrive/machines" }; system = @{ value = 'x86_64-linux' }; 'max-jobs' = @{ value = 4 } }
    Set-Content "$TestDrive/settings.json" ($settings | ConvertTo-Json)
    Set-Content "$bin/nix" "#!/bin/sh`nexec cat '$TestDrive/settings.json'"
    chmod +x "$bin/nix"
    $script:path = $env:PATH
    $env:PATH = "${bin}:$env:PATH"
}

AfterAll {
    $env:PATH = $script:path
    Remove-Item Env:XDG_STATE_HOME, Env:XDG_CONFIG_HOME
}

Describe 'The module' {
    It 'is imported again without an error, and keeps its cmdlets' {
        $before = @(Get-Command -Module NixBuildFarm).Count
        { Import-Module /opt/NixBuildFarm -Force -ErrorAction Stop } | Should -Not -Throw
        @(Get-Command -Module NixBuildFarm).Count | Should -Be $before
    }

    It 'has help with examples for <_>' -ForEach @((Import-PowerShellDataFile "$PSScriptRoot/../../NixBuildFarm.psd1").CmdletsToExport) {
        $help = Get-Help $_ -Full
        $help.Synopsis | Should -Match '\.$'
        @($help.examples.example).Count | Should -BeGreaterOrEqual 2
        (Get-Help $_ -Examples | Out-String) | Should -Match 'Example 1'
    }

    It 'has the topic <_>' -ForEach @(
        'about_NixBuildFarm', 'about_NixBuilderPolicy', 'about_NixBuildFarm_Scheduling', 'about_NixBuildFarm_Troubleshooting'
    ) {
        Get-Help $_ | Out-String | Should -Match 'LONG DESCRIPTION'
    }
}

Describe 'Get-NixBuilder' {
    It 'lists the local machine and what is configured' {
        (Get-NixBuilder).Name | Should -Be 'local', 'ruby', 'kana'
    }

    It 'is filtered, sorted and grouped as any objects are' {
        (Get-NixBuilder | Where-Object Arch -EQ riscv64).Name | Should -Be 'kana'
        (Get-NixBuilder | Sort-Object MaxJobs, Name | Select-Object -First 1).Name | Should -Be 'ruby'
        @(Get-NixBuilder | Group-Object IsLocal).Count | Should -Be 2
    }

    It 'names what is nearly right' {
        Get-NixBuilder rubi -ErrorVariable problem -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $problem[0].FullyQualifiedErrorId | Should -Match '^BuilderNotFound,'
        $problem[0].ErrorDetails.RecommendedAction | Should -Match 'ruby'
    }

    It 'completes names' {
        (TabExpansion2 'Get-NixBuilder ru' 17).CompletionMatches.CompletionText | Should -Be 'ruby'
    }
}

Describe 'Import-NixBuilder' {
    It 'makes of a table in a file the builders that were written to it' {
        $form = 'Name', 'Uri', 'MaxJobs', 'SpeedFactor', 'Enabled', @{
            n = 'Lists'; e = { "$($_.Systems) $($_.SupportedFeatures) $($_.MandatoryFeatures)" }
        }
        Get-NixBuilder | Export-Csv "$TestDrive/farm.csv"
        $read = Import-Csv "$TestDrive/farm.csv" | Import-NixBuilder -WarningVariable warnings
        $warnings | Should -BeNullOrEmpty
        $read | Select-Object $form | ConvertTo-Json | Should -Be (Get-NixBuilder | Select-Object $form | ConvertTo-Json)
    }
}

Describe 'Policies' {
    AfterEach { Reset-NixBuilderPolicy -All }

    It 'are set, seen and taken back' {
        Set-NixBuilderPolicy kana -MaxJobs 1
        (Get-NixBuilder kana).MaxJobs | Should -Be 1
        (Get-NixBuilderPolicy kana).Name | Should -Be 'kana'
        Reset-NixBuilderPolicy kana
        (Get-NixBuilder kana).MaxJobs | Should -Be 4
    }

    It 'change nothing with -WhatIf' {
        Set-NixBuilderPolicy kana -MaxJobs 1 -WhatIf
        (Get-NixBuilder kana).MaxJobs | Should -Be 4
    }
}

Describe 'Invoke-NixDistributedBuild' {
    It 'never takes an empty pipeline for all builders' {
        { Get-NixBuilder nobody* | Invoke-NixDistributedBuild nixpkgs#hello -ErrorAction Stop } | Should -Throw -ErrorId 'NoBuilder,*'
    }

    It 'gives a job that says why it failed' {
        $job = Invoke-NixDistributedBuild -DerivationPath /etc/passwd -AsJob
        $job | Wait-Job | Should -Not -BeNullOrEmpty
        $job.State | Should -Be 'Failed'
        Receive-Job $job -ErrorVariable problem -ErrorAction SilentlyContinue
        "$problem" | Should -Match '/etc/passwd'
        Remove-Job $job
    }

    It 'completes its parameters, and says what a wrong one is near to' {
        (TabExpansion2 'Invoke-NixDistributedBuild -Log' 31).CompletionMatches.CompletionText | Sort-Object |
            Should -Be '-LogPath', '-LogTo'
        { Invoke-NixDistributedBuild nixpkgs#hello -CopyBack Some } | Should -Throw -ErrorId 'CannotConvertArgumentNoMessage,*'
    }
}

Describe 'A session with another SSH.NET' {
    It 'keeps its own, and so does the module' {
        $other = New-Item -ItemType Directory "$TestDrive/other"
        Copy-Item "$PSScriptRoot/../../out/NixBuildFarm/deps/Renci.SshNet.dll" $other
        Set-Content "$TestDrive/closed" 'ssh-ng://127.0.0.1:1 x86_64-linux'
        $script = @"
            `$null = [Reflection.Assembly]::LoadFrom('$other/Renci.SshNet.dll')
            Import-Module '$PSScriptRoot/../../out/NixBuildFarm'
            (Get-NixBuilder -Path '$TestDrive/closed' | Where-Object IsLocal -EQ `$false | Test-NixBuilder -TimeoutSec 30).State
            [AppDomain]::CurrentDomain.GetAssemblies() | Where-Object { `$_.GetName().Name -eq 'Renci.SshNet' } | ForEach-Object Location
"@
        $lines = pwsh -NoProfile -Command $script
        $lines[0] | Should -Be 'Unreachable'
        $lines[1..2] |
            Should -Be "$other/Renci.SshNet.dll", (Resolve-Path "$PSScriptRoot/../../out/NixBuildFarm/deps/Renci.SshNet.dll").Path
    }
}

Describe 'The history' {
    It 'is empty, and not made by looking' {
        Get-NixBuild | Should -BeNullOrEmpty
        Test-Path "$env:XDG_STATE_HOME/nixbuildfarm" | Should -BeFalse
    }

    It 'says that there is no such run, for <_>' -ForEach 'Get-NixBuild 2026', 'Export-NixBuildReport report.html', 'Measure-NixBuild' {
        $problem = $null
        try { & ([scriptblock]::Create("$_ -ErrorAction Stop")) } catch { $problem = $_ }
        $problem.FullyQualifiedErrorId | Should -Match '^RunNotFound,'
    }

    It 'shows logs of runs that are under way or were killed' {
        $folder = New-Item -ItemType Directory "$env:XDG_STATE_HOME/nixbuildfarm/logs/20260301-140522-7c1e"
        Set-Content "$folder/00000000000000000000000000000000-hello-2.12.log" 'one', 'two', 'three'
        Get-NixBuildLog hello-2.12 -Tail 2 | Should -Be 'two', 'three'
        (TabExpansion2 'Get-NixBuildLog he' 18).CompletionMatches.CompletionText | Should -Be 'hello-2.12'
    }

    It 'is cleared only when that is confirmed' {
        Clear-NixBuildHistory -WhatIf
        Clear-NixBuildHistory -Confirm:$false
        # The run may still be under way: its logs are from today.
        Get-NixBuildLog hello-2.12 | Should -HaveCount 3
    }
}
