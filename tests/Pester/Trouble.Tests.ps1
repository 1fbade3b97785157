# What a run recovers from ends nothing, also under $ErrorActionPreference = 'Stop', which CI systems set for their pwsh steps.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force
    $four = @{ a = 'echo > $out'; b = 'echo > $out'; c = 'echo > $out'; d = 'echo > $out' }
}

Describe 'A script with Stop' {
    It 'gets all that it asked for although ruby <What>' -ForEach @(
        @{ What = 'refuses connections'; Fault = 'sshd-stop'; Undo = 'sshd-start' }
        @{ What = 'has no cable'; Fault = 'link-down'; Undo = 'link-up' }
        @{ What = 'does not answer'; Fault = 'blackhole'; Undo = 'unblackhole' }
        @{ What = 'is frozen'; Fault = 'freeze'; Undo = 'thaw' }
        @{ What = 'has another host key'; Fault = 'change-host-key'; Undo = 'restore-host-key' }
        @{ What = 'has no Nix daemon'; Fault = 'daemon-kill'; Undo = 'daemon-start' }
        @{ What = 'has no room'; Fault = 'fill'; Undo = 'unfill' }
    ) {
        Invoke-Farm $Fault ruby
        try {
            $run = Invoke-Pwsh ("`$ErrorActionPreference = 'Stop'; (Invoke-NixDistributedBuild -Path $(New-NixFile $four) " +
                "-InformationAction Ignore).Status")
        }
        finally { Invoke-Farm $Undo ruby }
        $run.Problems | Should -BeNullOrEmpty
        @($run.Output -match '^Built$').Count | Should -Be 4
        $run.ExitCode | Should -Be 0
    }

    It 'gets all that it asked for although ruby <What> in the middle' -ForEach @(
        @{ What = 'breaks its connections'; Fault = 'sshd-kill'; Undo = 'sshd-start' }
        @{ What = 'loses its Nix daemon'; Fault = 'daemon-kill'; Undo = 'daemon-start' }
        @{ What = 'falls silent'; Fault = 'blackhole'; Undo = 'unblackhole' }
    ) {
        $mark = New-DerivationName gate
        $gated = Get-GatedCommand $mark
        $file = New-NixFile @{ a = $gated; b = $gated; c = $gated; d = $gated }
        $session = Start-Pwsh ("`$ErrorActionPreference = 'Stop'; (Invoke-NixDistributedBuild -Path $file -Builder ruby, kana " +
            "-InformationAction Ignore).Status")
        try {
            Wait-Until { (Measure-Gated $mark ruby) -gt 0 } 'ruby builds'
            Invoke-Farm $Fault ruby
            # Where ruby is back in time, it builds on.
            Open-Gate $mark ruby, kana
            $run = $session | Wait-Pwsh
        }
        finally { Invoke-Farm $Undo ruby }
        @($run.Output -match '^Built$').Count | Should -Be 4
        "$($run.Output)" | Should -Match 'WARNING: .*ruby'
        $run.Problems | Should -BeNullOrEmpty
        $run.ExitCode | Should -Be 0
    }

    It 'is ended by a build that fails' {
        $run = Invoke-Pwsh ("`$ErrorActionPreference = 'Stop'; Invoke-NixDistributedBuild -Path " +
            "$(New-NixFile @{ bad = 'echo the reason; exit 3' }); 'went on'")
        $run.ExitCode | Should -Be 1
        $run.Output | Should -Not -Contain 'went on'
        "$($run.Problems)" | Should -Match 'bad-'
    }

    It 'gets what can be built with -KeepGoing, then the error, and the run is in the history' {
        $file = New-NixFile ($four + @{ bad = 'exit 3'; bad2 = 'exit 4' })
        $state = "$TestDrive/state"
        $run = Invoke-Pwsh -Environment @{ XDG_STATE_HOME = $state } @"
            `$ErrorActionPreference = 'Stop'
            try { Invoke-NixDistributedBuild -Path $file -KeepGoing -InformationAction Ignore | ForEach-Object { "`$(`$_.Status)" } }
            catch { "caught `$(`$_.FullyQualifiedErrorId)" }
            "kept `$((Get-NixBuild -Last 1 -Result | Where-Object Status -EQ Built).Count)"
"@
        @($run.Output -match '^Built$').Count | Should -Be 4
        @($run.Output -match '^Failed$').Count | Should -Be 2
        # After all results, and one is enough.
        $run.Output[-2] | Should -Match '^caught BuildFailed'
        $run.Output[-1] | Should -Be 'kept 4'
    }
}

Describe 'The exit code' {
    BeforeAll {
        $good = 'Invoke-NixDistributedBuild -InformationAction Ignore -Path '
    }

    It 'of -Command is 0 when all is there, and 0 when it was there already' {
        $file = New-NixFile
        (Invoke-Pwsh "$good $file").ExitCode | Should -Be 0
        (Invoke-Pwsh "$good $file").ExitCode | Should -Be 0
    }

    It 'of -Command is 0 when all is there although a builder was not' {
        Invoke-Farm sshd-stop ruby
        try { $run = Invoke-Pwsh "$good $(New-NixFile $four)" } finally { Invoke-Farm sshd-start ruby }
        $run.ExitCode | Should -Be 0
    }

    It 'of -Command is 1 when <What>' -ForEach @(
        @{ What = 'a build fails'; Script = { New-NixFile @{ bad = 'exit 3' } } }
        @{ What = 'a build fails with -KeepGoing'; Script = { "$(New-NixFile @{ bad = 'exit 3'; good = 'echo > $out' }) -KeepGoing" } }
        @{ What = 'no builder can build it'; Script = { New-NixFile -System riscv64-linux } }
        @{ What = 'the file is not there'; Script = { '/tmp/nowhere.nix' } }
    ) {
        (Invoke-Pwsh "$good $(& $Script)").ExitCode | Should -Be 1
    }

    It 'of -File is 0 when all is there, with Stop too' {
        (Invoke-Pwsh -File "`$ErrorActionPreference = 'Stop'; $good $(New-NixFile)").ExitCode | Should -Be 0
    }

    It 'of -File is 1 when a build fails, with Stop' {
        (Invoke-Pwsh -File "`$ErrorActionPreference = 'Stop'; $good $(New-NixFile @{ bad = 'exit 3' })").ExitCode | Should -Be 1
    }

    It 'of -File is what the script makes of $?' {
        (Invoke-Pwsh -File "$good $(New-NixFile @{ bad = 'exit 3' }); if (-not `$?) { exit 5 }").ExitCode | Should -Be 5
        (Invoke-Pwsh -File "$good $(New-NixFile); if (-not `$?) { exit 5 }").ExitCode | Should -Be 0
    }
}
