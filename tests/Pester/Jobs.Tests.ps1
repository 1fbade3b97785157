# The job cmdlets of pwsh, each with a limit: none may wait for ever.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force
    $build = 'Invoke-NixDistributedBuild -AsJob -InformationAction Ignore -Path'
}

Describe 'A job that finishes' {
    It 'gives its results to Receive-Job -Wait -AutoRemoveJob, and is gone' {
        $run = Invoke-Pwsh "($build $(New-NixFile) | Receive-Job -Wait -AutoRemoveJob).Status; @(Get-Job).Count"
        $run.Output | Should -Be 'Built', '0'
        $run.ExitCode | Should -Be 0
    }

    It 'gives its results to <_>' -ForEach @(
        '$job | Wait-Job | Receive-Job'
        '$job | Receive-Job -Wait'
        'Wait-Job -Any $job | Receive-Job -Keep'
        'Receive-Job $job -Wait -WriteEvents -WriteJobInResults | Where-Object Status -EQ Built'
        'while ($job.State -eq "Running") { Start-Sleep -Milliseconds 50 }; Receive-Job $job'
    ) {
        $run = Invoke-Pwsh ("`$job = $build $(New-NixFile); `$r = & { $_ }; `"`$(`$r.Status)`"; `"`$(`$job.State)`"; " +
            "Remove-Job `$job; @(Get-Job).Count")
        $run.Output | Should -Be 'Built', 'Completed', '0'
    }

    It 'is one of several that end together' {
        $run = Invoke-Pwsh ("`$jobs = 1..3 | ForEach-Object { $build $(New-NixFile) }; " +
            "(`$jobs | Receive-Job -Wait -AutoRemoveJob).Count; @(Get-Job).Count")
        $run.Output | Should -Be '3', '0'
    }
}

Describe 'A job that fails' {
    It 'ends Receive-Job -Wait -AutoRemoveJob with its error, and is gone' {
        $run = Invoke-Pwsh ("`$r = $build $(New-NixFile @{ bad = 'exit 3' }) | Receive-Job -Wait -AutoRemoveJob " +
            "-ErrorVariable problem -ErrorAction SilentlyContinue; `"`$(`$r.Status)`"; `$problem[0].FullyQualifiedErrorId; " +
            "@(Get-Job).Count")
        $run.Output[0] | Should -Be 'Failed'
        $run.Output[1] | Should -Match '^BuildFailed'
        $run.Output[2] | Should -Be '0'
    }

    It 'has completed for Wait-Job, since only what could not even begin is Failed' {
        $run = Invoke-Pwsh ("`"`$(($build $(New-NixFile @{ bad = 'exit 3' }) | Wait-Job).State)`"; " +
            "`"`$((Invoke-NixDistributedBuild -AsJob -Path /tmp/nowhere.nix | Wait-Job).State)`"")
        $run.Output | Should -Be 'Completed', 'Failed'
    }
}

Describe 'A job that is stopped' {
    It 'ends <_>, and its builds with it' -ForEach @(
        'Stop-Job $job; "$($job.State)"; Receive-Job $job -Wait -AutoRemoveJob; @(Get-Job).Count'
        'Stop-Job $job; "$((Wait-Job $job).State)"; Remove-Job $job; @(Get-Job).Count'
        'Remove-Job $job -Force; "$($job.State)"; @(Get-Job).Count'
    ) {
        $mark = New-DerivationName gate
        $file = New-NixFile @{ slow = Get-GatedCommand $mark }
        $session = Start-Pwsh ("`$job = $build $file -Builder kana; while (-not (Test-Path '$TestDrive/$mark')) { Start-Sleep " +
            "-Milliseconds 50 }; $_")
        Wait-Until { (Measure-Gated $mark kana) -gt 0 } 'kana builds'
        Set-Content "$TestDrive/$mark" ''
        $run = $session | Wait-Pwsh
        $run.Output | Should -Be 'Stopped', '0'
        Wait-Until { (Measure-Gated $mark kana) -eq 0 } 'the build on kana has ended'
    }
}

Describe 'Results of another process' {
    BeforeAll {
        $file = New-NixFile @{ good = 'echo words of the log; echo > $out'; bad = 'echo words of the failure; exit 3' }
        $script = ("Import-Module /opt/NixBuildFarm; Invoke-NixDistributedBuild -Path $file -KeepGoing -ErrorAction SilentlyContinue " +
            "-InformationAction Ignore")
        $results = Start-Job ([scriptblock]::Create($script)) | Receive-Job -Wait -AutoRemoveJob
        Import-Module /opt/NixBuildFarm
        $results | Export-Clixml "$TestDrive/results.xml"
        $read = Import-Clixml "$TestDrive/results.xml"
    }

    It 'come from Start-Job with their values' {
        @($results).Count | Should -Be 2
        ($results | Where-Object Status -EQ Built).Name | Should -Match '^good-'
    }

    It 'are shown as others are, from <From>' -ForEach @{ From = 'Start-Job' }, @{ From = 'Import-Clixml' } {
        $objects = if ($From -eq 'Start-Job') { $results } else { $read }
        $table = $objects | Out-String -Width 120
        foreach ($one in $objects) {
            $line = @($table -split "`n" | Where-Object { $_ -match [regex]::Escape($one.Name) })
            $line.Count | Should -Be 1
            $line[0] | Should -Match "^\S*$($one.Status)"
            $line[0] | Should -Match $one.Builder
            $line[0] | Should -Match '\d s\b'
        }
    }

    It 'lead to their logs' {
        $read | Where-Object Status -EQ Failed | Get-NixBuildLog | Should -Be 'words of the failure'
    }

    It 'are tried again by a pipeline' {
        $again = $read | Where-Object Status -EQ Failed | Invoke-NixDistributedBuild -ErrorAction SilentlyContinue -InformationAction Ignore
        $again.Name | Should -Match '^bad-'
        $again.Status | Should -Be 'Failed'
    }
}
